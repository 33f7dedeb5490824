//! Text of others on a terminal: what could steer the terminal, or disguise the text, is written as an escape.

/// Longest text that is shown on a line, in characters.
const MAX_TEXT: usize = 512;

/// Whether a character does something to a terminal or to the characters around it instead of being seen: controls, line
/// separators, marks that turn the direction of writing, characters without a width.
pub(crate) fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// Text for one line, cut where it is long.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == MAX_TEXT {
            shown.push_str("..");
            break;
        }
        if steers(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_steer_a_terminal() {
        assert_eq!(printable("a b\u{1b}[31m\r\n\u{202e}é密"), "a b\\u{1b}[31m\\u{d}\\u{a}\\u{202e}é密");
        assert_eq!(printable(&"x".repeat(5000)).len(), MAX_TEXT + 2);
        let ranges = [
            '\0'..='\u{1f}',
            '\u{7f}'..='\u{9f}',
            '\u{200e}'..='\u{200f}',
            '\u{202a}'..='\u{202e}',
            '\u{2066}'..='\u{2069}',
        ];
        for c in ranges.into_iter().flatten() {
            assert!(steers(c), "{c:?}");
        }
    }
}
