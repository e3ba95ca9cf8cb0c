//! The text of a checkpoint: two lines and the state.
//!
//! ```text
//! monitor-checkpoint v1 bytes=187 crc64=9b3f0c2d1e4a5b60
//! {"job":"import","saved_at_ns":1700000000000000000,"done":512,"bytes":0,"total":1000}
//! {"next_row":512}
//! ```
//!
//! The first line stays as it is in every version, up to the number of it. Length and checksum are of everything after
//! the first line; the checksum is the CRC-64 of the xz format (ECMA-182, reflected). The state is JSON.

use serde::{Deserialize, Serialize};

use super::MAX_BYTES;
use super::crc64::crc64;
use super::error::{CheckpointError, CheckpointErrorKind as Kind};

const MAGIC: &str = "monitor-checkpoint v";
const VERSION: u64 = 1;
/// The first line of any version is shorter.
const LONGEST_FIRST_LINE: usize = 256;

/// What is known of the job when a checkpoint is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) job: String,
    /// Nanoseconds since the Unix epoch.
    pub(crate) saved_at_ns: i64,
    /// Items and bytes done by this run and those before it.
    pub(crate) done: u64,
    pub(crate) bytes: u64,
    pub(crate) total: Option<u64>,
}

/// Puts a header and a state, which is JSON already, into the text of a checkpoint.
pub(crate) fn seal(header: &Header, state: &[u8]) -> Result<Vec<u8>, CheckpointError> {
    let unwritable = |error| CheckpointError::new(Kind::Unwritable, format!("the header of a checkpoint: {error}"));
    let mut body = serde_json::to_vec(header).map_err(unwritable)?;
    body.push(b'\n');
    body.extend_from_slice(state);
    let mut text = format!("{MAGIC}{VERSION} bytes={} crc64={:016x}\n", body.len(), crc64(&body)).into_bytes();
    text.append(&mut body);
    if text.len() > MAX_BYTES {
        return Err(too_large(&header.job, text.len()));
    }
    Ok(text)
}

/// Takes the header and the state out of the text of a checkpoint, if all of it is there, unchanged, and of that job.
pub(crate) fn open<'t>(text: &'t [u8], job: &str, location: &str) -> Result<(Header, &'t [u8]), CheckpointError> {
    let fault = |kind, what: String| CheckpointError::new(kind, format!("the checkpoint {location} {what}"));
    let cut_short = |there: usize, of: &str| {
        fault(
            Kind::CutShort,
            format!("is cut short: {there} bytes of {of} are there; restore it, or clear it to begin anew"),
        )
    };
    if text.len() > MAX_BYTES {
        return Err(too_large(job, text.len()));
    }
    let magic = MAGIC.as_bytes();
    if text.len() < magic.len() && magic.starts_with(text) {
        return Err(cut_short(text.len(), "its first line"));
    }
    let Some(after_magic) = text.strip_prefix(magic) else {
        return Err(fault(Kind::NotACheckpoint, format!("is none: it does not begin with `{MAGIC}`")));
    };
    let Some(end) = text.iter().take(LONGEST_FIRST_LINE).position(|byte| *byte == b'\n') else {
        return Err(if text.len() < LONGEST_FIRST_LINE {
            cut_short(text.len(), "its first line")
        } else {
            fault(Kind::Damaged, "is damaged: its first line has no end".to_owned())
        });
    };
    let first_line = str::from_utf8(&after_magic[..end - magic.len()]).unwrap_or_default();
    let damaged_line =
        || fault(Kind::Damaged, format!("is damaged: its first line says `{}`", first_line.escape_debug()));
    let (version, rest) = first_line.split_once(' ').unwrap_or((first_line, ""));
    match version.parse::<u64>() {
        Ok(VERSION) => {}
        Ok(other) => {
            let newer =
                if other > VERSION { "a newer program wrote it: use that one" } else { "an older program wrote it" };
            return Err(fault(
                Kind::OtherVersion,
                format!(
                    "is of version {other} of the format, and only version {VERSION} is known here; {newer}, or clear it to begin anew"
                ),
            ));
        }
        Err(_) => return Err(damaged_line()),
    }
    let stated = rest.strip_prefix("bytes=").and_then(|rest| rest.split_once(" crc64="));
    let stated = stated.and_then(|(len, crc)| Some((len.parse::<usize>().ok()?, u64::from_str_radix(crc, 16).ok()?)));
    let Some((len, crc)) = stated else { return Err(damaged_line()) };
    let body = &text[end + 1..];
    if body.len() < len {
        return Err(cut_short(text.len(), &len.saturating_add(end + 1).to_string()));
    }
    if body.len() > len {
        let more = body.len() - len;
        return Err(fault(Kind::Damaged, format!("is damaged: {more} bytes follow after its end")));
    }
    if crc64(body) != crc {
        return Err(fault(
            Kind::Damaged,
            "is damaged: its checksum does not match; restore it, or clear it to begin anew".to_owned(),
        ));
    }
    let split = body.iter().position(|byte| *byte == b'\n');
    let (header, state) = split.map_or((body, &[][..]), |at| (&body[..at], &body[at + 1..]));
    let header: Header = serde_json::from_slice(header)
        .map_err(|error| fault(Kind::Damaged, format!("is damaged: its header is not one: {error}")))?;
    if header.job != job {
        let other = super::file_name::shown(&header.job);
        return Err(fault(Kind::OtherJob, format!("is of job `{other}`, not of `{}`", super::file_name::shown(job))));
    }
    Ok((header, state))
}

fn too_large(job: &str, bytes: usize) -> CheckpointError {
    let job = super::file_name::shown(job);
    CheckpointError::new(
        Kind::TooLarge,
        format!("the checkpoint of job `{job}` has {bytes} bytes; allowed are {MAX_BYTES}: keep less in it"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(job: &str) -> Header {
        Header { job: job.into(), saved_at_ns: -5, done: u64::MAX, bytes: 7, total: None }
    }

    fn kind(text: &[u8], job: &str) -> Option<Kind> {
        open(text, job, "here").err().map(|error| error.kind())
    }

    #[test]
    fn what_is_sealed_is_opened() {
        for (job, state) in [("import", &b"{\"a\":1}"[..]), ("", b""), ("new\nline", b"\n\n"), ("ünï", b"[\n1]")] {
            let text = seal(&header(job), state).unwrap();
            assert_eq!(open(&text, job, "here").unwrap(), (header(job), state));
        }
    }

    #[test]
    fn every_length_but_the_whole_is_told_as_cut_short() {
        let text = seal(&header("import"), b"{\"next\":512}").unwrap();
        for len in 0..text.len() {
            assert_eq!(kind(&text[..len], "import"), Some(Kind::CutShort), "{len} bytes");
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let text = seal(&header("import"), b"{\"next\":512}").unwrap();
        for at in 0..text.len() {
            for flip in [1, 0x80] {
                let mut changed = text.clone();
                changed[at] ^= flip;
                assert!(kind(&changed, "import").is_some(), "byte {at}");
            }
        }
        let longer = [&text[..], b"x"].concat();
        assert_eq!(kind(&longer, "import"), Some(Kind::Damaged));
    }

    #[test]
    fn other_versions_other_jobs_and_other_things_are_told_apart() {
        let text = seal(&header("import"), b"1").unwrap();
        let version = |to: &str| String::from_utf8(text.clone()).unwrap().replacen("v1", to, 1).into_bytes();
        assert_eq!(kind(&version("v2"), "import"), Some(Kind::OtherVersion));
        assert_eq!(kind(&version("v0"), "import"), Some(Kind::OtherVersion));
        assert_eq!(kind(b"monitor-checkpoint v3\nwhatever it will be", "import"), Some(Kind::OtherVersion));
        assert_eq!(kind(&version("vx"), "import"), Some(Kind::Damaged));
        assert_eq!(kind(&text, "export"), Some(Kind::OtherJob));
        assert_eq!(kind(b"PK\x03\x04", "import"), Some(Kind::NotACheckpoint));
        assert_eq!(kind(&[b'm'; 1_000], "import"), Some(Kind::NotACheckpoint));
        assert_eq!(kind(&[MAGIC.as_bytes(), &[b'1'; 1_000]].concat(), "import"), Some(Kind::Damaged));
    }

    #[test]
    fn what_is_too_large_is_refused_both_ways() {
        let state = vec![b'1'; MAX_BYTES];
        assert_eq!(seal(&header("x"), &state).unwrap_err().kind(), Kind::TooLarge);
        assert_eq!(kind(&vec![b'1'; MAX_BYTES + 1], "x"), Some(Kind::TooLarge));
    }
}
