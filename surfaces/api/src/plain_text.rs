//! Text that a process or a network peer has chosen, made safe to print.

use std::borrow::Cow;

/// Text that is safe for a terminal: the name of a process can contain control sequences and
/// characters that change the reading direction.
#[must_use]
pub fn printable(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown.into()
}

/// Control characters, and those of the Unicode bidirectional algorithm (UAX 9).
fn is_harmful(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

/// The cell without what a terminal or a spreadsheet would act on: a process chooses its own name. Control characters are
/// escaped as in tables, and a cell that begins like a formula gets an apostrophe (OWASP, CSV injection).
#[must_use]
pub fn csv_cell(cell: String) -> String {
    let cell = printable(cell.into()).into_owned();
    let is_formula = cell.starts_with(['=', '+', '-', '@']) && cell.parse::<f64>().is_err();
    if is_formula { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_neither_formulas_nor_control_sequences() {
        for (cell, written) in [
            ("nginx", "nginx"),
            ("-5.5", "-5.5"),
            ("=cmd|'/C calc'!A0", "'=cmd|'/C calc'!A0"),
            ("+1+1", "'+1+1"),
            ("@SUM(1)", "'@SUM(1)"),
            ("-x", "'-x"),
            ("\t=1", "\\t=1"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{9b}31m\r", "\\u{9b}31m\\r"),
        ] {
            assert_eq!(csv_cell(cell.to_owned()), written);
        }
    }
}
