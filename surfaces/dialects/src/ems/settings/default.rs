//! Fields that have the default of EMS.

use crate::ems::print::Printer;

/// Of a field that is a number, a text or a truth.
pub(super) enum Default {
    Text(&'static str),
    Number(u64),
    Negative(i64),
    No,
    Yes,
    Null,
}

pub(super) fn defaults(printer: &mut Printer, defaults: &[(&'static str, Default)]) {
    for (key, value) in defaults {
        printer.key(key);
        match value {
            Default::Text(text) => printer.text(text),
            Default::Number(number) => printer.unsigned(*number),
            Default::Negative(number) => printer.signed(*number),
            Default::No => printer.boolean(false),
            Default::Yes => printer.boolean(true),
            Default::Null => printer.null(),
        }
    }
}
