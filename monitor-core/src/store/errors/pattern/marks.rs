//! What is known by its marks: quotes, schemes, slashes, an at sign.

use super::{Found, starts_alphanumeric};

/// Pairs of quotation marks.
const QUOTES: [(char, char); 6] = [('\'', '\''), ('"', '"'), ('`', '`'), ('“', '”'), ('‘', '’'), ('«', '»')];

/// Longest scheme of an URL, and longest name before the `@` of an address, in bytes.
const MAX_SCHEME: usize = 32;
const MAX_MAILBOX: usize = 64;

/// A message, and what was found ahead in it, so that nothing is looked for twice.
pub(super) struct Ahead<'a> {
    message: &'a str,
    is_cut: bool,
    /// Of the quotes: whether it is known that no further one is closed.
    unclosed: [bool; QUOTES.len()],
    /// The run without blanks, brackets and quotes that was looked at last: where it ends, where it ends without the
    /// punctuation of the sentence, and how many names are between its slashes.
    run_end: usize,
    word_end: usize,
    names: usize,
}

impl<'a> Ahead<'a> {
    pub(super) fn new(message: &'a str, is_cut: bool) -> Self {
        Self { message, is_cut, unclosed: [false; QUOTES.len()], run_end: 0, word_end: 0, names: 0 }
    }

    pub(super) fn rest(&self, at: usize) -> &'a str {
        &self.message[at..]
    }

    pub(super) fn quoted(&mut self, at: usize) -> Found {
        let rest = self.rest(at);
        let open = rest.chars().next()?;
        let number = QUOTES.iter().position(|(mark, _)| *mark == open)?;
        if self.unclosed[number] {
            return None;
        }
        let end = closed(rest, open, QUOTES[number].1);
        // What is cut off may have the end; an apostrophe mostly has none.
        let end = end.or_else(|| (self.is_cut && open != '\'').then_some(rest.len()));
        self.unclosed[number] = end.is_none();
        end.map(|end| (end, "<text>"))
    }

    /// Text until something that ends a path or an URL, with the punctuation of the sentence left off.
    fn word(&mut self, at: usize) -> &'a str {
        if at >= self.run_end {
            let rest = self.rest(at);
            let run = &rest[..rest.find(ends_run).unwrap_or(rest.len())];
            let word = run.trim_end_matches(['.', ':', '!', '?', '…']);
            // A run that is empty is as long as the character that ends it.
            self.run_end = at + run.len().max(1);
            self.word_end = at + word.len();
            self.names = names_in(word);
        }
        self.message.get(at..self.word_end).unwrap_or("")
    }

    pub(super) fn url(&mut self, at: usize) -> Found {
        let rest = self.rest(at);
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let in_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let scheme = rest.bytes().take(MAX_SCHEME).take_while(in_scheme).count();
        if !rest[scheme..].starts_with("://") {
            return None;
        }
        let len = self.word(at).len();
        (len > scheme + 3).then_some((len, "<url>"))
    }

    pub(super) fn path(&mut self, at: usize) -> Found {
        let word = self.word(at);
        let rooted = ["/", "./", "../", "~/", "\\\\"].iter().any(|root| {
            word.strip_prefix(root)
                .is_some_and(|inside| inside.starts_with(|c: char| c.is_alphanumeric() || "._-~".contains(c)))
        });
        let is_drive = matches!(word.as_bytes(), [drive, b':', b'\\' | b'/', _, ..] if drive.is_ascii_alphabetic());
        // A part of a run has no more names than the run, so they are counted again only where they may be enough.
        let names = if self.names < 2 { 0 } else { names_in(word) };
        // One slash alone stands between words, as in `read/write`, unless a file is behind it.
        let is_relative = names > 2 || (names == 2 && is_file(word));
        (rooted || is_drive || is_relative).then_some((word.len(), "<path>"))
    }
}

/// Bytes of a quoted text with its quotes.
fn closed(rest: &str, open: char, close: char) -> Option<usize> {
    let inside = &rest[open.len_utf8()..];
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        let end = open.len_utf8() + at + c.len_utf8();
        // In `can't 'x'` only a mark at the end of a word closes.
        if c == close && !escaped && !(c == '\'' && starts_alphanumeric(&rest[end..])) {
            return Some(end);
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

fn ends_run(c: char) -> bool {
    let is_mark = matches!(
        c,
        '"' | '\''
            | '`'
            | '<'
            | '>'
            | '|'
            | ','
            | ';'
            | '('
            | ')'
            | '['
            | ']'
            | '{'
            | '}'
            | '“'
            | '”'
            | '‘'
            | '’'
            | '«'
            | '»'
    );
    is_mark || c.is_whitespace() || c.is_control()
}

fn names_in(word: &str) -> usize {
    word.split('/').filter(|name| !name.is_empty()).count()
}

/// Whether the last name has an extension, and the first is one.
fn is_file(word: &str) -> bool {
    let last = word.rsplit('/').next().unwrap_or(word);
    let last = last.split(':').next().unwrap_or(last);
    let extension = last.rsplit_once('.').map_or("", |(_, extension)| extension);
    (1..=5).contains(&extension.len())
        && extension.starts_with(|c: char| c.is_ascii_alphabetic())
        && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// An address of mail, which has a dot behind its `@`.
pub(super) fn email(rest: &str) -> Found {
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(byte);
    let name = rest.bytes().take(MAX_MAILBOX).take_while(in_name).count();
    let host = rest[name..].strip_prefix('@').filter(|_| name > 0)?;
    let in_host = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let host = host[..host.find(|c| !in_host(c)).unwrap_or(host.len())].trim_end_matches(['.', '-']);
    host.contains('.').then_some((name + 1 + host.len(), "<email>"))
}
