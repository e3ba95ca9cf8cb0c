//! A client that sends bytes as they are and shows what comes back.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "each suite uses a part of it")]

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use monitor_core::Monitor;
use monitor_dashboard::{Dashboard, DashboardServer};

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// All of the body that was announced has come.
    pub(crate) is_whole: bool,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let of_name = self.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| &**value).collect::<Vec<_>>().into_iter()
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// Sends these bytes and reads until the other side closes.
pub(crate) fn send(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    // The other side may close before it has read all.
    let _ = stream.write_all(bytes);
    rest(&mut stream)
}

/// What comes until the other side closes.
pub(crate) fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("it is not closed: {error}; {} bytes came", bytes.len()),
    }
    bytes
}

/// One request with these further lines, and its answer.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, lines: &[&str]) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !lines.iter().any(|line| line.to_ascii_lowercase().starts_with("host:")) {
        request += "Host: localhost\r\n";
    }
    for line in lines {
        request += line;
        request += "\r\n";
    }
    request += "\r\n";
    parse(&send(address, request.as_bytes()), method == "HEAD")
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, &[])
}

pub(crate) fn parse(bytes: &[u8], is_head: bool) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(key, value)| (key.into(), value.into()));
    let mut answer = Answer { status, headers: headers.collect(), body: bytes[end + 4..].to_vec(), is_whole: true };
    if is_head {
        assert!(answer.body.is_empty(), "a body after HEAD");
    } else if answer.header("transfer-encoding") == "chunked" {
        let (body, is_whole) = dechunked(&answer.body);
        (answer.body, answer.is_whole) = (body, is_whole);
    } else if let Ok(length) = answer.header("content-length").parse::<usize>() {
        answer.is_whole = answer.body.len() == length;
    }
    answer
}

fn dechunked(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else { return (body, false) };
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        bytes = &bytes[end + 2..];
        if length == 0 {
            return (body, true);
        }
        if bytes.len() < length + 2 {
            return (body, false);
        }
        body.extend_from_slice(&bytes[..length]);
        bytes = &bytes[length + 2..];
    }
}

pub(crate) fn monitor() -> Monitor {
    Monitor::builder().service("shop").build().unwrap()
}

/// At a free port of the loopback.
pub(crate) fn serve(dashboard: Dashboard) -> DashboardServer {
    dashboard.serve_at("127.0.0.1:0").unwrap()
}

/// A monitor whose page is so large that no buffer on its way holds it.
pub(crate) fn large_monitor() -> Monitor {
    let monitor = Monitor::builder().max_label_sets(100_000).build().unwrap();
    monitor.scope(|| {
        for n in 0..20_000 {
            monitor.operation("load").label("table", &format!("a table with the number {n}")).start().succeed();
        }
    });
    monitor
}
