//! Bytes that somebody wrote down as text: hexadecimal, hex dumps, Base64.

use base64ct::{Base64Unpadded, Encoding};

/// Hexadecimal digits of either case, in bytes or groups of them, with white space, colons, commas, `0x` or `\x` between.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let text = unquoted(text);
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for word in text.split(|c: char| c.is_ascii_whitespace() || matches!(c, ':' | ',' | ';')) {
        for group in word.split("\\x") {
            let group = group.strip_prefix("0x").or_else(|| group.strip_prefix("0X")).unwrap_or(group);
            pairs(group.as_bytes(), &mut bytes)?;
        }
    }
    (!bytes.is_empty()).then_some(bytes)
}

/// What `xxd`, `hexdump -C`, `od -A x -t x1` and their like write: an offset, the bytes, perhaps the same as characters.
pub(super) fn hex_dump(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut last, mut repeat) = (0..0, false);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line == "*" {
            repeat = true;
            continue;
        }
        let (offset, rest) = line.split_at(line.find([':', ' ', '\t']).unwrap_or(line.len()));
        if offset.len() < 4 || !offset.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let offset =
            usize::from_str_radix(offset, 16).ok().filter(|offset| *offset <= super::capture::MAX_LEN)?;
        if std::mem::take(&mut repeat) {
            // `*` stands for more lines like the one before it.
            let line = bytes.get(last.clone()).filter(|line| !line.is_empty())?.to_vec();
            while bytes.len() < offset {
                bytes.extend_from_slice(&line);
            }
        }
        if offset != bytes.len() {
            return None;
        }
        for group in digits(rest).split_ascii_whitespace() {
            pairs(group.as_bytes(), &mut bytes)?;
        }
        last = offset..bytes.len();
    }
    (!bytes.is_empty()).then_some(bytes)
}

/// The digits of a line of a dump, without the same as characters.
fn digits(rest: &str) -> &str {
    let (rest, marks): (_, &[_]) = match rest.strip_prefix(':') {
        // `xxd` sets its characters off by two spaces, and any may be among them.
        Some(rest) => (rest.trim_start(), &[]),
        // `hexdump -C` so sets its halves of a line apart, and marks the characters.
        None => (rest.trim_start(), &[" |", " >"]),
    };
    let end = marks.iter().filter_map(|mark| rest.find(mark)).min().or_else(|| rest.find("  "));
    rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest)
}

/// Base64 of either alphabet, padded or not, in any number of lines; and whether it was base64url.
pub(super) fn base64(text: &str) -> Option<(Vec<u8>, bool)> {
    let mut digits = Vec::with_capacity(text.len());
    let mut url = false;
    for byte in unquoted(text).bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        url |= matches!(byte, b'-' | b'_');
        digits.push(match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        });
    }
    let digits = std::str::from_utf8(&digits).ok()?.trim_end_matches('=');
    let bytes = Base64Unpadded::decode_vec(digits).ok()?;
    (!bytes.is_empty()).then_some((bytes, url))
}

/// A text that was copied with its quotation marks.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let between = |mark: char| text.strip_prefix(mark)?.strip_suffix(mark);
    between('"').or_else(|| between('\'')).unwrap_or(text)
}

/// Adds the bytes of a group of digits.
pub(super) fn pairs(digits: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    for [high, low] in pairs {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(*high)? << 4 | digit(*low)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 6] = [0x53, 0x43, 0x02, 0x81, 0xfb, 0xff];

    #[test]
    fn hex_is_read_however_it_is_set() {
        for text in [
            "53430281fbff",
            "53430281FBFF\r\n",
            "0x53430281fbff",
            "0x53, 0x43, 0x02, 0x81, 0xfb, 0xff",
            "53:43:02:81:fb:ff",
            "5343 0281\n fbff",
            r#""\x53\x43\x02\x81\xfb\xff""#,
        ] {
            assert_eq!(hex(text).as_deref(), Some(&BYTES[..]), "{text}");
        }
        for bad in ["", "5", "534", "53 4", "53-43", "5g", "0x", "U0MC", "é"] {
            assert!(hex(bad).is_none_or(|bytes| bytes.is_empty()), "{bad}");
        }
    }

    #[test]
    fn hex_dumps_are_read_as_their_programs_write_them() {
        let xxd = "00000000: 5343 0281 fbff                           SC....\n";
        let xxd_pairs = "00000000: 53 43 02 81  SC..\n00000004: fb ff        ..\n";
        let xxd_signs = "00000000: 5343 0281 fbff                           A |>SC >.\n";
        let hexdump = "00000000  53 43 02 81 fb ff                                 |SC....|\n00000006\n";
        let od = "000000 53 43 02 81 fb ff\n000006\n";
        let od_with_text = "000000 53 43 02 81 fb ff                                >SC....<\n000006\n";
        for dump in [xxd, xxd_pairs, xxd_signs, hexdump, od, od_with_text] {
            assert_eq!(hex_dump(dump).as_deref(), Some(&BYTES[..]), "{dump}");
        }
        let tail = "00000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |........|  ......|\n\
                    00000010  aa aa aa aa aa aa aa aa  aa aa aa aa aa aa aa aa  |................|\n*\n\
                    00000040  7c                                                |||\n00000041\n";
        let read = hex_dump(tail).unwrap();
        assert_eq!(
            (read.len(), &read[14..18], read[63], read[64]),
            (65, &[14, 15, 0xaa, 0xaa][..], 0xaa, 0x7c)
        );
        for bad in
            ["", "00000000", "00000010  53 43", "0000: 5", "0000: 53\n0002: 43", "*\n00000010", "hello: 53"]
        {
            assert!(hex_dump(bad).is_none(), "{bad}");
        }
        assert!(hex_dump("0000: 53\n*\nffffffff\n").is_none(), "a repetition without bounds");
    }

    #[test]
    fn base64_is_read_in_both_alphabets() {
        for (text, is_url) in
            [("U0MCgfv/", false), ("U0MC\r\ngfv/\n", false), ("U0MCgfv_", true), ("\"U0MCgfv_\"", true)]
        {
            let (bytes, url) = base64(text).unwrap();
            assert_eq!((bytes.as_slice(), url), (&BYTES[..], is_url), "{text}");
        }
        assert_eq!(base64("U0M=").unwrap().0.as_slice(), base64("U0M").unwrap().0.as_slice());
        for bad in ["", "=", "U", "U0M*", "U=0M", "hello world!"] {
            assert!(base64(bad).is_none(), "{bad}");
        }
    }
}
