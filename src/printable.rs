//! Text that strangers had a hand in (a receiver's answer, a file name, a file of a journal from elsewhere, a command line, a payload), made
//! safe to show.
//!
//! The rule: whatever a person reads passes through [`printable`] on its way out, once, in the function that prints; in the
//! program those are `report::write` for stderr and `output::show` for stdout. What a program reads (payloads, JSON,
//! metrics) does not: it goes out byte for byte.

use std::borrow::Cow;

/// The text on one line, with every character spelled out that could steer a terminal or make a line read as something else:
/// `\u{1b}`, `\n`, `\u{202e}`.
///
/// These are control characters, those that reorder text (bidirectional controls), those that take no room or look like
/// blanks and are none, and line separators. Everything else stays as it is.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(misleads) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        push(&mut shown, character);
    }
    Cow::Owned(shown)
}

/// Bytes of a stranger as one short line: white space is one blank, and what is more than `chars_max` characters is cut off.
pub(crate) fn excerpt(bytes: &[u8], chars_max: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::new();
    let words = text.split_whitespace().flat_map(|word| word.chars().chain([' ']));
    for (count, character) in words.enumerate() {
        if count == chars_max {
            shown.push('…');
            return shown;
        }
        push(&mut shown, character);
    }
    shown.truncate(shown.trim_end().len());
    shown
}

fn push(shown: &mut String, character: char) {
    if misleads(character) {
        shown.extend(character.escape_default());
    } else {
        shown.push(character);
    }
}

/// Whether a character does something to the text around it, or cannot be seen.
fn misleads(character: char) -> bool {
    match character {
        ' '..='~' => false,
        _ => character.is_control() || is_invisible(character),
    }
}

/// Unicode's format characters, separators of lines, fillers, and the tags and selectors with which text is hidden in text.
/// U+FE00 to U+FE0F, which only choose between two looks of the character before them, are not among them.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_of_any_language_stays_as_it_is() {
        for text in ["", "a b\\c \"d\"", "Grüße, 東京, مرحبا, ❤\u{fe0f}, 21,5 °C, \u{fffd}", "e\u{301}"]
        {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn what_steers_or_misleads_is_spelled_out() {
        for (text, shown) in [
            ("\u{1b}[2Jx", "\\u{1b}[2Jx"),
            ("a\r\n\tb", "a\\r\\n\\tb"),
            ("\u{7}\u{0}\u{7f}\u{9b}", "\\u{7}\\u{0}\\u{7f}\\u{9b}"),
            ("\u{202e}gpj.exe\u{202c}", "\\u{202e}gpj.exe\\u{202c}"),
            ("a\u{200b}b\u{feff}\u{2066}\u{61c}", "a\\u{200b}b\\u{feff}\\u{2066}\\u{61c}"),
            ("a\u{2028}b\u{2029}\u{ad}\u{3164}\u{e0041}", "a\\u{2028}b\\u{2029}\\u{ad}\\u{3164}\\u{e0041}"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn every_control_and_every_bidirectional_control_is_spelled_out() {
        let controls = (0..=0x9f).filter_map(char::from_u32).filter(|c| c.is_control());
        let reordering = ['\u{61c}', '\u{200e}', '\u{200f}'].into_iter().chain('\u{202a}'..='\u{202e}');
        for character in controls.chain(reordering).chain('\u{2066}'..='\u{2069}') {
            let text = character.to_string();
            assert!(printable(&text).is_ascii() && printable(&text).len() > 1, "{}", text.escape_unicode());
        }
    }

    #[test]
    fn an_excerpt_is_one_bounded_line_also_of_bytes_that_are_no_text() {
        assert_eq!(excerpt(b"  be\r\n right\tback ", 100), "be right back");
        assert_eq!(excerpt(b"\xff\x1b[31m", 100), "\u{fffd}\\u{1b}[31m");
        assert_eq!(excerpt(b"abcdef", 3), "abc…");
        assert_eq!(excerpt(b" \n ", 3), "");
    }
}
