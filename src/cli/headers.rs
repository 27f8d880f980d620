//! Header fields and the bearer token, from flags, files and the environment.
//!
//! Values may be secrets: no message shows one. Files are read here, before anything is opened or changed.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::report::Usage;

/// A file of secrets is small; whatever is larger is another file.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The header fields of `--header` and `--header-file`, in that order.
pub fn headers(flags: &[String], file: Option<&Path>) -> Result<Vec<(String, String)>, Usage> {
    let mut fields = Vec::new();
    for (index, text) in flags.iter().enumerate() {
        let field = field(text).map_err(|reason| wrong(&format!("--header number {}", index + 1), reason))?;
        fields.push(field);
    }
    if let Some(path) = file {
        fields.extend(fields_of(&read("header file", path)?, path)?);
    }
    Ok(fields)
}

/// The bearer token: of the file if one is named, otherwise of `EDGESYNC_TOKEN`.
pub fn token(file: Option<&Path>, variable: Option<OsString>) -> Result<Option<String>, Usage> {
    let (text, from) = match (file, variable.filter(|value| !value.is_empty())) {
        (Some(path), _) => (read("token file", path)?, format!("token file {}", path.display())),
        (None, Some(value)) => (value.to_string_lossy().into_owned(), "EDGESYNC_TOKEN".to_owned()),
        (None, None) => return Ok(None),
    };
    let token = text.trim();
    let usable = |c: char| c.is_ascii_graphic();
    match token {
        "" => Err(Usage::new(format!("{from} is empty")).hint("put the bearer token into it, on one line")),
        _ if !token.chars().all(usable) => Err(Usage::new(format!(
            "{from} is not a token: it has spaces, line ends or odd characters inside"
        ))
        .hint("put the bare token into it, on one line, without \"Bearer\"")),
        token => Ok(Some(token.to_owned())),
    }
}

fn fields_of(text: &str, path: &Path) -> Result<Vec<(String, String)>, Usage> {
    let mut fields = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{} line {}", path.display(), index + 1);
        fields.push(field(line).map_err(|reason| wrong(&place, reason))?);
    }
    Ok(fields)
}

/// `Name: value`, as RFC 9110 has it: a token, a colon, and text without control characters.
fn field(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once(':').ok_or("there is no colon in it")?;
    let name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(name_byte) {
        return Err("what stands before the colon is not a header name");
    }
    let value = value.trim_matches([' ', '\t']);
    if value.chars().any(|c| c != '\t' && (c.is_control() || !c.is_ascii())) {
        return Err("the value has a control character, a line end or something that is not ASCII");
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn wrong(place: &str, reason: &str) -> Usage {
    Usage::new(format!("{place} is not a header: {reason}")).hint("write it like 'Name: value'")
}

fn read(what: &str, path: &Path) -> Result<String, Usage> {
    let mut text = Vec::new();
    let result = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text));
    let place = format!("{what} {}", path.display());
    if let Err(error) = result {
        return Err(Usage::new(format!("cannot read {place}: {error}")));
    }
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Usage::new(format!("{place} is larger than 64 KiB")).hint("is it the right file?"));
    }
    String::from_utf8(text)
        .map_err(|_| Usage::new(format!("{place} is not text")).hint("is it the right file?"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tempfile::NamedTempFile;

    use super::*;

    fn file(text: &[u8]) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        file
    }

    #[test]
    fn headers_come_from_flags_and_file_in_order() {
        let file = file(b"# secret\n\n  X-Api-Key:  a:b \nX-Empty:\n");
        let fields = headers(&["X-Device: cam 7".into()], Some(file.path())).unwrap();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(fields, [("X-Device", "cam 7"), ("X-Api-Key", "a:b"), ("X-Empty", "")]);
    }

    #[test]
    fn a_wrong_header_is_named_by_its_place_and_never_shown() {
        for text in
            ["secret", ": secret", "Na me: secret", "Name: sec\nret", "Name: secr\u{e9}t", "Näme: secret"]
        {
            let message = headers(&["Ok: 1".into(), text.into()], None).unwrap_err().to_string();
            assert!(message.contains("--header number 2") && !message.contains("sec"), "{message}");
        }
        let file = file(b"Good: 1\nsecret\n");
        let message = headers(&[], Some(file.path())).unwrap_err().to_string();
        assert!(message.contains("line 2") && !message.contains("secret"), "{message}");
    }

    #[test]
    fn a_token_is_trimmed_and_the_file_wins() {
        let file = file(b" abc.def\n");
        assert_eq!(token(Some(file.path()), Some("other".into())).unwrap().as_deref(), Some("abc.def"));
        assert_eq!(token(None, Some("other\n".into())).unwrap().as_deref(), Some("other"));
        assert_eq!(token(None, Some("".into())).unwrap(), None);
        assert_eq!(token(None, None).unwrap(), None);
    }

    #[test]
    fn a_wrong_token_is_never_shown() {
        for text in ["", " \n", "Bearer secret", "secret\nsecret", "secr\u{e9}t"] {
            let file = file(text.as_bytes());
            let message = token(Some(file.path()), None).unwrap_err().to_string();
            assert!(message.contains("token file") && !message.contains("secr"), "{text:?}: {message}");
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let missing = Path::new("/nonexistent/token");
        assert!(token(Some(missing), None).unwrap_err().to_string().contains("/nonexistent/token"));
        assert!(
            headers(&[], Some(Path::new("/"))).unwrap_err().to_string().contains("cannot read header file /")
        );
        let (large, binary) = (file(&vec![b'a'; 70_000]), file(b"\xff\xfe"));
        assert!(token(Some(large.path()), None).unwrap_err().to_string().contains("64 KiB"));
        assert!(token(Some(binary.path()), None).unwrap_err().to_string().contains("not text"));
    }
}
