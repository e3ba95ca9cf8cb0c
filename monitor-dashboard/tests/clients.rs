//! Clients that are slow, dead or hostile: what they get, and that nobody else waits for them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod client;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use client::{ask, connect, get, large_monitor, monitor, parse, rest, send, serve};
use monitor_dashboard::{Dashboard, DashboardServer, Limits};

const SHORT: Duration = Duration::from_millis(200);

/// With these limits alone short.
fn limited(limits: Limits) -> DashboardServer {
    serve(Dashboard::new(&monitor()).limits(limits).unwrap())
}

#[test]
fn who_sends_no_request_is_cut() {
    let server = limited(Limits::new().header_timeout(SHORT));
    let began = Instant::now();
    assert!(rest(&mut connect(server.address())).is_empty());
    // After an answer as well.
    let mut kept = connect(server.address());
    kept.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(parse(&rest(&mut kept), false).status, 200);
    // In a tenth of the time that is usual without the setting.
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn who_sends_its_request_byte_by_byte_is_cut() {
    let server = limited(Limits::new().header_timeout(SHORT));
    let mut slow = connect(server.address());
    let mut sent = 0;
    let endless = b"GET /livez HTTP/1.1\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'x'));
    for byte in endless {
        if slow.write_all(&[*byte]).is_err() {
            break;
        }
        sent += 1;
        thread::sleep(Duration::from_millis(5));
        assert!(sent < 10_000, "it goes on for ever");
    }
}

#[test]
fn requests_that_are_too_large_are_refused() {
    let server = limited(Limits::new().header_bytes(4096).headers(20).body_bytes(1000));
    let long = format!("X-Long: {}", "x".repeat(8000));
    assert_eq!(ask(server.address(), "GET", "/livez", &[&long]).status, 431);
    let path = format!("/{}", "x".repeat(8000));
    assert!([414, 431].contains(&get(server.address(), &path).status));
    assert_eq!(ask(server.address(), "GET", "/livez", &["X: y"; 30]).status, 431);
    assert_eq!(ask(server.address(), "GET", "/livez", &["X: y"; 10]).status, 200);
    for length in ["1001", "18446744073709551615"] {
        let length = format!("Content-Length: {length}");
        let status = ask(server.address(), "GET", "/metrics", &[&length]).status;
        assert!([413, 431].contains(&status), "{status} for {length}");
    }
    let chunked = "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n";
    assert_eq!(ask(server.address(), "GET", "/livez", &[chunked]).status, 200, "a body that nobody reads");
}

#[test]
fn what_is_no_request_ends_with_400_or_nothing() {
    let server = limited(Limits::new().header_timeout(Duration::from_secs(2)));
    for garbage in [
        &b"\0\0\0\0"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: local\0host\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
        &[0xff; 3000],
    ] {
        let answer = send(server.address(), garbage);
        if !answer.is_empty() {
            let status = parse(&answer, false).status;
            assert!([400, 413, 505].contains(&status), "{status} for {garbage:?}");
        }
    }
    assert_eq!(get(server.address(), "/livez").status, 200);
}

#[test]
fn requests_one_behind_the_other_are_answered_in_order() {
    let server = limited(Limits::new());
    let one = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let text = String::from_utf8(send(server.address(), [one, one, last].concat().as_bytes())).unwrap();
    let statuses: Vec<_> = text.lines().filter(|line| line.starts_with("HTTP/1.1 ")).map(|line| &line[9..12]).collect();
    assert_eq!(statuses, ["200", "200", "404"]);
}

/// Asks for the page and takes its first byte alone.
fn stalled(server: &DashboardServer) -> TcpStream {
    let mut stream = connect(server.address());
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 1]).unwrap();
    stream
}

#[test]
fn who_does_not_take_its_answer_is_cut() {
    let monitor = large_monitor();
    let limits = Limits::new().write_timeout(SHORT).connections(1);
    let server = serve(Dashboard::new(&monitor).limits(limits).unwrap());
    let mut stalled = stalled(&server);
    // There is one place: this one waits until the other is cut.
    assert_eq!(get(server.address(), "/livez").status, 200);
    let mut bytes = b"H".to_vec();
    bytes.extend(rest(&mut stalled));
    assert!(!parse(&bytes, false).is_whole);
}

#[test]
fn who_takes_its_answer_bit_by_bit_is_cut() {
    let monitor = large_monitor();
    let server = serve(Dashboard::new(&monitor).limits(Limits::new().response_timeout(SHORT)).unwrap());
    let mut slow = stalled(&server);
    let (mut bytes, mut piece) = (b"H".to_vec(), vec![0; 64 * 1024]);
    loop {
        match slow.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(taken) => bytes.extend_from_slice(&piece[..taken]),
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert!(!parse(&bytes, false).is_whole, "{} bytes", bytes.len());
}

#[test]
fn who_has_no_request_makes_room_for_who_has_one() {
    let server = limited(Limits::new().connections(3).header_timeout(Duration::from_hours(1)));
    let mut idle: Vec<_> = (0..20).map(|_| connect(server.address())).collect();
    for _ in 0..5 {
        assert_eq!(get(server.address(), "/livez").status, 200);
    }
    // Those that came first went first.
    assert!(rest(&mut idle[0]).is_empty());
}

#[test]
fn nobody_waits_for_those_who_do_not_read() {
    let monitor = large_monitor();
    let server = serve(Dashboard::new(&monitor));
    let _stalled: Vec<_> = (0..10).map(|_| stalled(&server)).collect();
    let is_over = AtomicBool::new(false);
    let calls = thread::scope(|scope| {
        let records = scope.spawn(|| {
            let mut calls = 0_u64;
            monitor.scope(|| {
                while !is_over.load(Ordering::Relaxed) {
                    monitor.track("resize", |_| ());
                    calls += 1;
                }
            });
            calls
        });
        for _ in 0..3 {
            let page = get(server.address(), "/metrics");
            assert!(page.status == 200 && page.is_whole);
            assert_eq!(get(server.address(), "/livez").status, 200);
        }
        is_over.store(true, Ordering::Relaxed);
        records.join().unwrap()
    });
    assert_eq!(monitor.snapshot().operation("resize").unwrap().succeeded, calls);
}

#[test]
fn pages_are_whole_for_many_clients_while_threads_record() {
    let monitor = monitor();
    let server = serve(Dashboard::new(&monitor));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            monitor.scope(|| {
                while !is_over.load(Ordering::Relaxed) {
                    monitor.track("resize", |_| ());
                }
            });
        });
        let clients: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut last = 0;
                    for _ in 0..10 {
                        let page = ask(server.address(), "GET", "/metrics", &["Accept: application/openmetrics-text"]);
                        assert!(page.is_whole && page.text().ends_with("# EOF\n"));
                        let value = |start: &str| {
                            let line = page.text().lines().find(|line| line.starts_with(start)).unwrap_or("none 0");
                            line.split(' ').nth(1).unwrap().parse::<u64>().unwrap()
                        };
                        let of = "{operation=\"resize\",kind=\"function\"";
                        let all = value(&format!("monitor_operation_duration_seconds_bucket{of},le=\"+Inf\"}}"));
                        assert_eq!(all, value(&format!("monitor_operation_duration_seconds_count{of}}}")));
                        assert!(all >= last, "{all} after {last}");
                        last = all;
                    }
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
