//! How an operation ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How an operation ended.
///
/// A call ends in exactly one of these, and is counted under it once.
///
/// ```
/// use monitor_core::Outcome;
///
/// assert_eq!(Outcome::Failure.to_string(), "failure");
/// assert!(Outcome::Success.is_success());
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It returned, and its result is not an error.
    Success,
    /// It returned an error, or was told to fail.
    Failure,
    /// A panic that began inside it went through it.
    Panicked,
    /// It was told to cancel, or its future was dropped before it was ready.
    Cancelled,
    /// The process ended while it ran. Only a reader of an earlier process's history sees this one.
    Interrupted,
}

impl Outcome {
    /// Every outcome, in the order in which tables show them.
    pub const ALL: [Outcome; 5] =
        [Outcome::Success, Outcome::Failure, Outcome::Panicked, Outcome::Cancelled, Outcome::Interrupted];

    /// The word for it everywhere: in serde's form, in metrics, in tables of the history and on screens.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Failure => "failure",
            Outcome::Panicked => "panicked",
            Outcome::Cancelled => "cancelled",
            Outcome::Interrupted => "interrupted",
        }
    }

    /// Whether it is [`Outcome::Success`].
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Outcome::Success)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serde_form_is_the_word_shown() {
        for outcome in Outcome::ALL {
            let json = serde_json::to_string(&outcome).unwrap();
            assert_eq!(json, format!("\"{outcome}\""));
            assert_eq!(serde_json::from_str::<Outcome>(&json).unwrap(), outcome);
        }
    }

    #[test]
    fn display_honours_width() {
        assert_eq!(format!("{:>9}|", Outcome::Success), "  success|");
    }
}
