//! Values that are one of a few words: each type is written as its name, and documented with the names
//! of all its values.

use conns_core::model::{Class, EventKind, LossKind};
use serde::{Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! words {
    ($($name:ident, $value:ty, $title:literal, $about:literal;)*) => {$(
        #[doc = $about]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(
            /// The value that is written.
            pub $value,
        );

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.0.name())
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let words = ObjectBuilder::new().schema_type(Type::String).description(Some($about));
                words.enum_values(Some(<$value>::ALL.map(<$value>::name))).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                $title.into()
            }
        }
    )*};
}

words! {
    ClassWord, Class, "Class", "The class of a verdict.";
    EventWord, EventKind, "EventKind", "The kind of an event.";
    LossWord, LossKind, "LossKind", "The kind of a loss.";
}
