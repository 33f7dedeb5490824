//! JSON made readable without changing it: the order of its members and the form of its numbers stay.

use crate::terminal::steers;

/// Indents valid JSON by two spaces a level. Characters that JSON lets through and that steer a terminal are escaped.
pub(crate) fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len().saturating_mul(2));
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut rest = json.chars().peekable();
    while let Some(c) = rest.next() {
        if in_string {
            match c {
                _ if steers(c) => escape(&mut out, c),
                _ => out.push(c),
            }
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            '"' => {
                in_string = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                while rest.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                match rest.next_if(|next| matches!(next, '}' | ']')) {
                    Some(close) => out.push(close),
                    None => {
                        depth = depth.saturating_add(1);
                        new_line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ if c.is_ascii_whitespace() => {}
            _ => out.push(c),
        }
    }
    out.push('\n');
    out
}

/// As JSON does it, so that the value stays.
fn escape(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        out.push_str(&format!("\\u{unit:04x}"));
    }
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_string_steers_a_terminal_and_its_value_stays() {
        let json = "[\"\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}\u{2028}\u{feff}\u{e0041}\u{7f}\u{9b}\",\"\\u001b é 密碼\"]";
        let text = pretty(json);
        let expected = r#"[
  "\u200e\u200f\u202a\u202e\u2066\u2069\u2028\ufeff\udb40\udc41\u007f\u009b",
  "\u001b é 密碼"
]
"#;
        assert_eq!(text, expected);
        let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(value(&text), value(json));
    }

    #[test]
    fn the_value_stays_and_the_form_gets_readable() {
        let json = "{\"z\":[1,{}, [ ],{\"a\":null}],\"b\":\"{,:[\\\"\\\\\",\"c\":1.50e3 , \"d\":\"\u{9b}\"}";
        let text = pretty(json);
        let expected = "{\n  \"z\": [\n    1,\n    {},\n    [],\n    {\n      \"a\": null\n    }\n  ],\n  \
                        \"b\": \"{,:[\\\"\\\\\",\n  \"c\": 1.50e3,\n  \"d\": \"\\u009b\"\n}\n";
        assert_eq!(text, expected);
        let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(value(&text), value(json));
        assert_eq!(pretty("null"), "null\n");
    }
}
