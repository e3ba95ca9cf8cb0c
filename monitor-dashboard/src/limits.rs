//! How much a client may have, and for how long.

use std::time::Duration;

use crate::error::DashboardError;

const LONGEST: Duration = Duration::from_hours(24);

/// What a client may cost: connections, sizes and times. What goes beyond is refused or cut.
///
/// ```
/// use std::time::Duration;
/// use monitor_dashboard::Limits;
///
/// let limits = Limits::new().connections(16).header_timeout(Duration::from_secs(2));
/// ```
#[derive(Debug, Clone)]
pub struct Limits {
    pub(crate) connections: usize,
    pub(crate) header_bytes: usize,
    pub(crate) headers: usize,
    pub(crate) body_bytes: u64,
    pub(crate) header_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) response_timeout: Duration,
}

impl Limits {
    /// 64 connections; 64 headers, 16 KiB with the request's line; bodies of 16 KiB; 10 s for the headers, 10 s without a byte
    /// taken, 60 s for an answer.
    #[must_use]
    pub fn new() -> Limits {
        Limits {
            connections: 64,
            header_bytes: 16 * 1024,
            headers: 64,
            body_bytes: 16 * 1024,
            header_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_mins(1),
        }
    }

    /// Connections at once, from 1 to 10,000. One more takes the place of that which has been without a request for
    /// longest; while all of them have one, it waits.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Limits {
        self.connections = connections;
        self
    }

    /// Bytes of a request's line and headers together, from 1 KiB to 1 MiB. More is answered with 431.
    #[must_use]
    pub fn header_bytes(mut self, bytes: usize) -> Limits {
        self.header_bytes = bytes;
        self
    }

    /// Headers of a request, from 8 to 1,000. More are answered with 431.
    #[must_use]
    pub fn headers(mut self, headers: usize) -> Limits {
        self.headers = headers;
        self
    }

    /// Bytes of a request's body. More is answered with 413; nothing here reads one.
    #[must_use]
    pub fn body_bytes(mut self, bytes: u64) -> Limits {
        self.body_bytes = bytes;
        self
    }

    /// Time for a request's line and headers, from the connection's beginning or the end of the answer before, from a
    /// millisecond to a day. So it is also the time that a connection is kept without a request.
    #[must_use]
    pub fn header_timeout(mut self, timeout: Duration) -> Limits {
        self.header_timeout = timeout;
        self
    }

    /// Time in which a client may take no byte of an answer, likewise.
    #[must_use]
    pub fn write_timeout(mut self, timeout: Duration) -> Limits {
        self.write_timeout = timeout;
        self
    }

    /// Time in which a client must have asked for all of an answer, likewise: one that takes a byte now and then does not
    /// keep a snapshot in memory for ever.
    #[must_use]
    pub fn response_timeout(mut self, timeout: Duration) -> Limits {
        self.response_timeout = timeout;
        self
    }

    pub(crate) fn check(&self) -> Result<(), DashboardError> {
        let number = |name, given: usize, (least, most): (usize, usize), allowed| {
            if (least..=most).contains(&given) { Ok(()) } else { Err(DashboardError::setting(name, given, allowed)) }
        };
        number("connections", self.connections, (1, 10_000), "1 to 10,000")?;
        number("header_bytes", self.header_bytes, (1024, 1024 * 1024), "1 KiB to 1 MiB")?;
        number("headers", self.headers, (8, 1_000), "8 to 1,000")?;
        for (name, given) in [
            ("header_timeout", self.header_timeout),
            ("write_timeout", self.write_timeout),
            ("response_timeout", self.response_timeout),
        ] {
            if !(Duration::from_millis(1)..=LONGEST).contains(&given) {
                return Err(DashboardError::setting(name, format_args!("{given:?}"), "a millisecond to a day"));
            }
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_are_none_are_refused() {
        assert!(Limits::default().check().is_ok());
        for (bad, name) in [
            (Limits::new().connections(0), "connections"),
            (Limits::new().header_bytes(1), "header_bytes"),
            (Limits::new().headers(usize::MAX), "headers"),
            (Limits::new().header_timeout(Duration::ZERO), "header_timeout"),
            (Limits::new().write_timeout(Duration::MAX), "write_timeout"),
            (Limits::new().response_timeout(Duration::MAX), "response_timeout"),
        ] {
            let error = bad.check().unwrap_err();
            assert!(error.is_invalid_setting() && error.to_string().starts_with(name), "{error}");
        }
    }
}
