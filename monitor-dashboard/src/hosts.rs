//! Under which names the dashboard may be asked for.
//!
//! A page of the web can let a name of its own lead to 127.0.0.1, and so have a browser ask programs of the machine that it
//! runs on (DNS rebinding). The browser then sends that name as the `Host`.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, Version};

use crate::error::DashboardError;

/// Which names are good besides those that are said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// Of this machine, as it sees itself: `localhost` and addresses of the loopback.
    Loopback,
    /// All, unless names were said; then `localhost` and addresses alone. A page of the web has no credentials here, and an
    /// address is nobody's name.
    Any,
}

#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    named: Vec<String>,
    others: Others,
}

/// Why a request is not answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no host, or several, or it is none.
    Malformed,
    /// It is another one.
    Other,
}

impl Hosts {
    pub(crate) fn new(others: Others, named: &[String]) -> Hosts {
        Hosts { named: named.to_vec(), others }
    }

    /// A name as it is compared.
    pub(crate) fn name(host: &str) -> Result<String, DashboardError> {
        let allowed = "a name or an address such as `metrics.example.com`, without a scheme; its port does not count";
        let bad = || DashboardError::setting("allow_host", format_args!("{host:?}"), allowed);
        parse(host).map(|host| host.text()).ok_or_else(bad)
    }

    pub(crate) fn check(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Refused> {
        let mut given = headers.get_all(HOST).iter();
        let host = match (given.next(), given.next(), uri.authority()) {
            (Some(host), None, _) => Some(host.to_str().map_err(|_| Refused::Malformed)?),
            // HTTP/2, in a router of the program, has it in the target alone.
            (None, _, Some(_)) if version >= Version::HTTP_2 => None,
            _ => return Err(Refused::Malformed),
        };
        // A target with a host counts in place of the header, so both must be good.
        for host in [host, uri.authority().map(Authority::as_str)].into_iter().flatten() {
            let host = parse(host).ok_or(Refused::Malformed)?;
            if !self.permit(&host) {
                return Err(Refused::Other);
            }
        }
        Ok(())
    }

    fn permit(&self, host: &Host) -> bool {
        let is_named = self.named.contains(&host.text());
        is_named
            || match (self.others, host) {
                (Others::Any, _) if self.named.is_empty() => true,
                (Others::Any, Host::Address(_)) => true,
                (Others::Loopback, Host::Address(address)) => address.to_canonical().is_loopback(),
                (_, Host::Name(name)) => name == "localhost",
            }
    }
}

enum Host {
    Address(IpAddr),
    Name(String),
}

impl Host {
    fn text(&self) -> String {
        match self {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.clone(),
        }
    }
}

/// A host with or without a port.
fn parse(host: &str) -> Option<Host> {
    let is_port = |port: &str| port.is_empty() || port.parse::<u16>().is_ok_and(|_| !port.starts_with('+'));
    if let Some(rest) = host.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let address = address.parse::<Ipv6Addr>().ok()?;
        let is_good = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        return is_good.then_some(Host::Address(address.into()));
    }
    let name = match host.split_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) => return None,
        None => host,
    };
    if let Ok(address) = name.parse::<IpAddr>() {
        return Some(Host::Address(address));
    }
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let is_name = !name.is_empty() && name.len() <= 253 && name.chars().all(is_letter);
    is_name.then(|| Host::Name(name.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &Hosts, given: &[&str], uri: &str) -> Result<(), Refused> {
        let mut headers = HeaderMap::new();
        for host in given {
            headers.append(HOST, host.parse().unwrap());
        }
        hosts.check(Version::HTTP_11, &uri.parse().unwrap(), &headers)
    }

    #[test]
    fn on_the_loopback_only_its_names_are_good() {
        let hosts = Hosts::new(Others::Loopback, &["metrics.example.com".to_owned()]);
        for good in [
            "localhost",
            "LocalHost:8080",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]",
            "[::1]:8080",
            "[::ffff:127.0.0.1]:80",
            "localhost:",
            "metrics.example.com",
            "METRICS.example.com:9999",
        ] {
            assert_eq!(check(&hosts, &[good], "/metrics"), Ok(()), "{good}");
        }
        for other in [
            "evil.com",
            "localhost.evil.com",
            "localhost.",
            "127.0.0.1.evil.com",
            "10.0.0.1",
            "0.0.0.0",
            "127.1",
            "0x7f.0.0.1",
            "[::2]",
            "evil.com:8080",
        ] {
            assert_eq!(check(&hosts, &[other], "/metrics"), Err(Refused::Other), "{other}");
        }
        for bad in [
            "",
            ":8080",
            "localhost@evil.com",
            "localhost:80:80",
            "localhost:99999",
            "localhost:+1",
            "localhost:80a",
            "[::1",
            "[::1]x",
            "[127.0.0.1]",
            "::1",
            "a b",
            "localhost, evil.com",
            "localhost/",
            "löcal",
        ] {
            let mut headers = HeaderMap::new();
            headers.append(HOST, axum::http::HeaderValue::from_bytes(bad.as_bytes()).unwrap());
            assert_eq!(
                hosts.check(Version::HTTP_11, &"/".parse().unwrap(), &headers),
                Err(Refused::Malformed),
                "{bad}"
            );
        }
        assert_eq!(check(&hosts, &[], "/"), Err(Refused::Malformed));
        assert_eq!(check(&hosts, &["localhost", "localhost"], "/"), Err(Refused::Malformed));
        assert_eq!(check(&hosts, &["localhost"], "http://evil.com/metrics"), Err(Refused::Other));
        assert_eq!(check(&hosts, &["evil.com"], "http://localhost/metrics"), Err(Refused::Other));
        assert_eq!(check(&hosts, &["localhost"], "http://localhost/metrics"), Ok(()));
        let without = |version, uri: &str| hosts.check(version, &uri.parse().unwrap(), &HeaderMap::new());
        assert_eq!(without(Version::HTTP_2, "http://localhost/metrics"), Ok(()));
        assert_eq!(without(Version::HTTP_2, "http://evil.com/metrics"), Err(Refused::Other));
        assert_eq!(without(Version::HTTP_2, "/metrics"), Err(Refused::Malformed));
        assert_eq!(without(Version::HTTP_11, "http://localhost/metrics"), Err(Refused::Malformed));
    }

    #[test]
    fn elsewhere_any_name_is_good_until_some_are_said() {
        let any = Hosts::new(Others::Any, &[]);
        assert_eq!(check(&any, &["anything.example:1"], "/"), Ok(()));
        assert_eq!(check(&any, &["a b"], "/"), Err(Refused::Malformed));
        let said = Hosts::new(Others::Any, &["a.example".to_owned()]);
        for (host, answer) in
            [("a.example", Ok(())), ("10.0.0.1:80", Ok(())), ("localhost", Ok(())), ("b.example", Err(Refused::Other))]
        {
            assert_eq!(check(&said, &[host], "/"), answer, "{host}");
        }
    }

    #[test]
    fn names_are_taken_as_they_come_in_requests() {
        assert_eq!(Hosts::name("Metrics.Example.com:443").unwrap(), "metrics.example.com");
        assert_eq!(Hosts::name("[::1]").unwrap(), "::1");
        for bad in ["", "http://a", "a/b", "*"] {
            assert!(Hosts::name(bad).unwrap_err().is_invalid_setting(), "{bad}");
        }
    }
}
