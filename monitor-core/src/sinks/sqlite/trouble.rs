//! Errors of this sink as those who feed it are told them.

use std::fmt;

use rusqlite::ErrorCode;

use super::error::{Cure, StoreError};
use crate::ports::sink::SinkError;

/// What has no kind of its own.
#[derive(Debug)]
pub(super) struct Trouble(pub(super) String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}

fn code(error: &StoreError) -> Option<ErrorCode> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<rusqlite::Error>()?.sqlite_error_code()
}

/// The same error for whoever feeds the sink. What the batch itself is to blame for will not be different next time.
pub(super) fn sink_error(error: &StoreError) -> SinkError {
    let for_good = matches!(
        code(error),
        Some(
            ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::TooBig
                | ErrorCode::ParameterOutOfRange
        )
    );
    // The error says itself what its source says.
    let trouble = Trouble(error.to_string());
    if for_good || error.cure() == Cure::None { SinkError::refused(&trouble) } else { SinkError::again(&trouble) }
}
