//! Enumerations whose values are numbers in frames.

/// A value that is written as a number.
pub(crate) trait Numbered: Copy {
    fn number(self) -> u64;
    fn name(self) -> &'static str;
    fn from_number(number: u64) -> Option<Self>;
}

/// Declares an enumeration and the number of each value, and implements [`Numbered`] for it.
macro_rules! numbered {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident { $($(#[$of:meta])* $value:ident = $number:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $visibility enum $name { $($(#[$of])* $value,)+ }

        impl $crate::encoding::Numbered for $name {
            fn number(self) -> u64 {
                match self { $(Self::$value => $number,)+ }
            }

            fn name(self) -> &'static str {
                match self { $(Self::$value => stringify!($value),)+ }
            }

            fn from_number(number: u64) -> Option<Self> {
                match number {
                    $($number => Some(Self::$value),)+
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use numbered;
