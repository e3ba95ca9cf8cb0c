//! Who may read: tokens and passwords, of which only digests are kept.

use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::error::DashboardError;

/// Longest secret in bytes: with what stands around it, it must fit into a header.
const LONGEST: usize = 4096;

/// SHA-256 of a scheme and what stands behind it. What is compared has always the same length, and the secret is not in
/// memory.
type Fingerprint = [u8; 32];

/// Each of several tokens and passwords is good.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    all: Vec<Fingerprint>,
}

impl Credentials {
    pub(crate) fn add_bearer(&mut self, token: &str) -> Result<(), DashboardError> {
        if token.is_empty() || token.len() > LONGEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let given = format_args!("a text of {} bytes", token.len());
            return Err(DashboardError::setting(
                "bearer_token",
                given,
                "1 to 4,096 visible ASCII letters without spaces",
            ));
        }
        self.all.push(fingerprint("bearer", token));
        Ok(())
    }

    pub(crate) fn add_basic(&mut self, user: &str, password: &str) -> Result<(), DashboardError> {
        let is_plain = |text: &str| text.len() <= LONGEST / 4 && !text.chars().any(char::is_control);
        if user.is_empty() || user.contains(':') || !is_plain(user) {
            let allowed = "1 to 1,024 bytes without `:` and control characters";
            return Err(DashboardError::setting("user", format_args!("{user:?}"), allowed));
        }
        if password.is_empty() || !is_plain(password) {
            let given = format_args!("a text of {} bytes", password.len());
            let allowed = "1 to 1,024 bytes without control characters";
            return Err(DashboardError::setting("password", given, allowed));
        }
        self.all.push(fingerprint("basic", &STANDARD.encode(format!("{user}:{password}"))));
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether a request with these headers may read. In a time that does not tell how much of a secret was right.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        if self.is_empty() {
            return true;
        }
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else { return false };
        let Some((scheme, rest)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else { return false };
        let given = fingerprint(&scheme.to_ascii_lowercase(), rest.trim_start_matches(' '));
        let fits = self.all.iter().fold(Choice::from(0), |fits, known| fits | known.ct_eq(&given));
        fits.into()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} not shown", self.all.len())
    }
}

fn fingerprint(scheme: &str, rest: &str) -> Fingerprint {
    let mut digest = Sha256::new();
    digest.update(scheme);
    digest.update([0]);
    digest.update(rest);
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(credentials: &Credentials, values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        credentials.allow(&headers)
    }

    #[test]
    fn who_knows_a_secret_may_read() {
        let mut credentials = Credentials::default();
        assert!(allow(&credentials, &[]), "without credentials everybody");
        credentials.add_bearer("s3cret").unwrap();
        credentials.add_basic("alice", "pass: word").unwrap();
        let basic = format!("Basic {}", STANDARD.encode("alice:pass: word"));
        for good in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret", &basic] {
            assert!(allow(&credentials, &[good]), "{good}");
        }
        let wrong = format!("Basic {}", STANDARD.encode("alice:pass"));
        let other = format!("Bearer {}", STANDARD.encode("alice:pass: word"));
        for bad in ["", "Bearer", "Bearer ", "s3cret", "Bearer s3cre", "Bearer s3cret1", "Basic s3cret", &wrong, &other]
        {
            assert!(!allow(&credentials, &[bad]), "{bad}");
        }
        assert!(!allow(&credentials, &[]));
        assert!(!allow(&credentials, &["Bearer s3cret", "Bearer s3cret"]), "two are none");
    }

    #[test]
    fn what_cannot_be_a_secret_is_refused_and_never_shown() {
        let mut credentials = Credentials::default();
        for bad in ["", "a b", "a\nb", "ä", &"x".repeat(5000)] {
            let error = credentials.add_bearer(bad).unwrap_err();
            assert!(error.is_invalid_setting() && (bad.is_empty() || !error.to_string().contains(bad)), "{error}");
        }
        for (user, password) in [("", "x"), ("a:b", "x"), ("a\0", "x"), ("a", ""), ("a", "hunter\n2")] {
            let error = credentials.add_basic(user, password).unwrap_err();
            assert!(error.is_invalid_setting() && !error.to_string().contains("hunter"), "{error}");
        }
        assert!(credentials.is_empty());
        credentials.add_bearer("s3cret").unwrap();
        assert_eq!(format!("{credentials:?}"), "1 not shown");
    }
}
