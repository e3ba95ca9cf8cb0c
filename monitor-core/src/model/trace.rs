//! Ids of traces and spans, and the header that carries them from program to program.
//!
//! Source of the forms: W3C Trace Context, level 1, section 3.2 (`traceparent`).

use std::borrow::Cow;
use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A trace: everything that was done on behalf of one request, one job or one outermost operation, in however many
/// threads, tasks and programs.
///
/// 128 bits, not zero. As text, and with serde, 32 lower-case hexadecimal digits.
///
/// ```
/// use monitor_core::TraceId;
///
/// let id: TraceId = "4bf92f3577b34da6a3ce929d0e0e4736".parse()?;
/// assert_eq!(id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert!("0".repeat(32).parse::<TraceId>().is_err());
/// # Ok::<(), monitor_core::ParseTraceError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(NonZeroU128);

/// One operation within a trace: 64 bits, not zero. As text, and with serde, 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(NonZeroU64);

impl TraceId {
    /// The id of that number; `None` for zero, which stands for "no trace".
    #[must_use]
    pub const fn new(number: u128) -> Option<TraceId> {
        match NonZeroU128::new(number) {
            Some(number) => Some(TraceId(number)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0.get()
    }
}

impl SpanId {
    /// The id of that number; `None` for zero, which stands for "no span".
    #[must_use]
    pub const fn new(number: u64) -> Option<SpanId> {
        match NonZeroU64::new(number) {
            Some(number) => Some(SpanId(number)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// The header `traceparent`: which trace a request belongs to, and the operation that sent it.
///
/// `Display` writes version 00 of it; [`FromStr`] reads that and, as the specification asks, the known part of later
/// versions.
///
/// ```
/// use monitor_core::TraceParent;
///
/// let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let parsed: TraceParent = header.parse()?;
/// assert_eq!((parsed.span_id.to_string().as_str(), parsed.is_sampled()), ("00f067aa0ba902b7", true));
/// assert_eq!(parsed.to_string(), header);
///
/// let error = "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".parse::<TraceParent>().unwrap_err();
/// assert!(error.to_string().contains("the span id is zero"), "{error}");
/// # Ok::<(), monitor_core::ParseTraceError>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: TraceId,
    /// The operation that sent the request.
    pub span_id: SpanId,
    /// Bits of which the lowest one says that the sender may have recorded the trace. The others are not known to version
    /// 00, and written as zero.
    pub flags: u8,
}

impl TraceParent {
    const SAMPLED: u8 = 1;

    /// A header of that trace and operation, with the flag `sampled` set.
    #[must_use]
    pub const fn new(trace_id: TraceId, span_id: SpanId) -> TraceParent {
        TraceParent { trace_id, span_id, flags: Self::SAMPLED }
    }

    /// Whether the sender may have recorded the trace.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.flags & Self::SAMPLED != 0
    }
}

/// A text that is no [`TraceParent`], [`TraceId`] or [`SpanId`]. Says what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseTraceError {
    what: &'static str,
    why: &'static str,
    text: String,
}

/// Form of the header, for the text of errors.
const TRACEPARENT: &str = "traceparent (`00-`, 32 hexadecimal digits, `-`, 16, `-`, 2; lower case)";
const TRACE_ID: &str = "trace id (32 lower-case hexadecimal digits, not all zero)";
const SPAN_ID: &str = "span id (16 lower-case hexadecimal digits, not all zero)";

impl ParseTraceError {
    fn new(what: &'static str, why: &'static str, text: &str) -> ParseTraceError {
        ParseTraceError { what, why, text: text.chars().take(64).collect() }
    }
}

impl fmt::Display for ParseTraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no {}: {}", self.text.escape_debug(), self.what, self.why)
    }
}

impl std::error::Error for ParseTraceError {}

/// The number that so many lower-case hexadecimal digits say.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let lower = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    (text.len() == digits && text.bytes().all(lower)).then(|| u128::from_str_radix(text, 16).ok())?
}

fn short_hex(text: &str, digits: usize) -> Option<u64> {
    hex(text, digits).and_then(|number| u64::try_from(number).ok())
}

impl FromStr for TraceParent {
    type Err = ParseTraceError;

    fn from_str(text: &str) -> Result<TraceParent, ParseTraceError> {
        let refuse = |why| ParseTraceError::new(TRACEPARENT, why, text);
        let mut parts = text.split('-');
        let mut part = |digits, why| parts.next().filter(|part| hex(part, digits).is_some()).ok_or_else(|| refuse(why));
        let version = part(2, "the version is not two such digits")?;
        let trace_id = part(32, "the trace id is not 32 such digits")?;
        let span_id = part(16, "the span id is not 16 such digits")?;
        let flags = part(2, "the flags are not two such digits")?;
        let rest = parts.next();
        match version {
            "ff" => return Err(refuse("the version is ff, which is none")),
            "00" if rest.is_some() => return Err(refuse("there is more than version 00 has")),
            _ => {}
        }
        let trace_id = hex(trace_id, 32).and_then(TraceId::new).ok_or_else(|| refuse("the trace id is zero"))?;
        let span_id = short_hex(span_id, 16).and_then(SpanId::new).ok_or_else(|| refuse("the span id is zero"))?;
        let flags = short_hex(flags, 2).and_then(|flags| u8::try_from(flags).ok()).unwrap_or_default();
        Ok(TraceParent { trace_id, span_id, flags })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.span_id, self.flags & Self::SAMPLED)
    }
}

macro_rules! id_as_text {
    ($id:ident, $digits:literal, $what:ident, $parse:ident) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{:0", $digits, "x}"), self.0)
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($id), "({})"), self)
            }
        }

        impl FromStr for $id {
            type Err = ParseTraceError;

            fn from_str(text: &str) -> Result<$id, ParseTraceError> {
                let number = $parse(text, $digits);
                let number = number.ok_or_else(|| ParseTraceError::new($what, "it is not such digits", text))?;
                $id::new(number).ok_or_else(|| ParseTraceError::new($what, "it is zero", text))
            }
        }

        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$id, D::Error> {
                Cow::<'_, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

id_as_text!(TraceId, 32, TRACE_ID, hex);
id_as_text!(SpanId, 16, SPAN_ID, short_hex);

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_header_comes_back_as_it_was() {
        let parsed: TraceParent = GOOD.parse().unwrap();
        assert_eq!(
            (parsed.trace_id.get(), parsed.span_id.get()),
            (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7)
        );
        assert_eq!(parsed.to_string(), GOOD);
        let unsampled: TraceParent = GOOD.replace("-01", "-00").parse().unwrap();
        assert!(parsed.is_sampled() && !unsampled.is_sampled());
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = GOOD.replacen("00", "cc", 1) + "-what-the-future-will-be-like";
        let parsed: TraceParent = later.parse().unwrap();
        assert_eq!(parsed.to_string(), GOOD);
        assert!((GOOD.replacen("00", "cc", 1) + ".what").parse::<TraceParent>().is_err());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (bad, why) in [
            (String::new(), "the version is not two"),
            (GOOD.replacen("00-", "ff-", 1), "the version is ff"),
            (GOOD.replacen("00-", "0-", 1), "the version is not two"),
            (GOOD.to_uppercase(), "the trace id is not 32"),
            (GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)), "the trace id is zero"),
            (GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)), "the span id is zero"),
            (GOOD.replace("00f067aa0ba902b7", "00f067aa0ba902b"), "the span id is not 16"),
            (GOOD.replace("-01", ""), "the flags are not two"),
            (GOOD.replace("-01", "-0x"), "the flags are not two"),
            (GOOD.replace("-01", "-+1"), "the flags are not two"),
            (format!("{GOOD}-"), "more than version 00"),
            (format!(" {GOOD}"), "the version is not two"),
            ("ключ-\u{0}\n".repeat(1_000), "the version is not two"),
        ] {
            let error = bad.parse::<TraceParent>().unwrap_err().to_string();
            assert!(error.contains(why) && error.len() < 400 && !error.contains('\n'), "{bad:?}: {error}");
        }
    }

    #[test]
    fn ids_are_text_in_json() {
        let id: TraceId = "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"4bf92f3577b34da6a3ce929d0e0e4736\"");
        assert_eq!(serde_json::from_str::<TraceId>("\"4bf92f3577b34da6a3ce929d0e0e4736\"").unwrap(), id);
        assert_eq!(SpanId::new(7).unwrap().to_string(), "0000000000000007");
        assert!(serde_json::from_str::<SpanId>("\"0\"").is_err());
        assert_eq!(format!("{:?}", SpanId::new(7).unwrap()), "SpanId(0000000000000007)");
    }
}
