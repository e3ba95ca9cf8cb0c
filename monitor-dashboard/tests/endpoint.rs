//! What is answered, and to whom.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod client;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use client::{LONG, ask, connect, get, large_monitor, monitor, parse, rest, send, serve};
use flate2::read::GzDecoder;
use monitor_core::{Batch, Exposition, Instance, Monitor, Sink, SinkError};
use monitor_dashboard::{Dashboard, Limits};

const SAFE: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
];

#[test]
fn every_path_has_its_answer_with_safe_headers() {
    let monitor = monitor();
    monitor.scope(|| monitor.track("resize", |_| ()));
    let server = serve(Dashboard::new(&monitor).version("1.2.3"));
    for (method, path, status, kind) in [
        ("GET", "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("GET", "/health", 200, "application/json"),
        ("GET", "/livez", 200, "text/plain; charset=utf-8"),
        ("GET", "/readyz", 200, "text/plain; charset=utf-8"),
        ("GET", "/", 404, "text/plain; charset=utf-8"),
        ("GET", "/metrics/", 404, "text/plain; charset=utf-8"),
        ("GET", "/../etc/passwd", 404, "text/plain; charset=utf-8"),
        ("POST", "/metrics", 405, "text/plain; charset=utf-8"),
        ("DELETE", "/health", 405, "text/plain; charset=utf-8"),
        ("OPTIONS", "/metrics", 405, "text/plain; charset=utf-8"),
        ("BREW", "/livez", 405, "text/plain; charset=utf-8"),
    ] {
        let answer = ask(server.address(), method, path, &[]);
        assert_eq!((answer.status, answer.header("content-type")), (status, kind), "{method} {path}");
        assert!(answer.is_whole && !answer.body.is_empty(), "{method} {path}");
        for (name, value) in SAFE {
            assert_eq!(answer.all(name).collect::<Vec<_>>(), [value], "{method} {path}");
        }
        if status == 405 {
            assert_eq!(answer.header("allow"), "GET,HEAD");
        }
        if method == "GET" {
            let head = ask(server.address(), "HEAD", path, &[]);
            assert_eq!((head.status, head.header("content-type")), (status, kind), "HEAD {path}");
        }
    }
    let page = get(server.address(), "/metrics?name[]=x");
    assert!(
        page.text().contains("monitor_operations_total{operation=\"resize\",kind=\"function\",outcome=\"success\"} 1")
    );
    assert_eq!(page.header("vary"), "Accept, Accept-Encoding");
}

#[test]
fn the_page_comes_in_the_format_and_the_encoding_that_is_asked_for() {
    let monitor = large_monitor();
    let exposition = Exposition::new().namespace("shop").unwrap();
    let server = serve(Dashboard::new(&monitor).exposition(exposition.clone()));
    let (plain, open) = ("Accept: text/plain", "Accept: application/openmetrics-text; version=1.0.0");
    let bare = ask(server.address(), "GET", "/metrics", &[plain]);
    assert!(bare.is_whole && bare.text().contains("shop_operations_total{operation=\"load\""));
    let bare = ask(server.address(), "GET", "/metrics", &[open]);
    assert_eq!(bare.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(bare.is_whole && bare.text().ends_with("# EOF\n") && bare.text().contains("# {trace_id=\""));
    let zipped = ask(server.address(), "GET", "/metrics", &[open, "Accept-Encoding: deflate, gzip"]);
    assert_eq!(zipped.header("content-encoding"), "gzip");
    assert!(zipped.is_whole && zipped.body.len() < bare.body.len() / 5, "{}", zipped.body.len());
    let mut text = String::new();
    GzDecoder::new(&*zipped.body).read_to_string(&mut text).unwrap();
    let counts = |text: &str| {
        let lines = text.lines().filter(|line| line.starts_with("shop_operation"));
        lines.map(|line| line.split(" # ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(counts(&text), counts(bare.text()));
    assert!(text.ends_with("# EOF\n"));
    let not = ask(server.address(), "GET", "/metrics", &[plain, "Accept-Encoding: gzip;q=0"]);
    assert_eq!(not.header("content-encoding"), "");
}

#[test]
fn who_has_credentials_reads_and_probes_need_none() {
    let dashboard = Dashboard::new(&monitor()).bearer_token("s3cret").unwrap().basic("alice", "pass").unwrap();
    assert!(!format!("{dashboard:?}").contains("s3cret"));
    let server = serve(dashboard);
    let (bearer, basic) = ("Authorization: Bearer s3cret", "Authorization: Basic YWxpY2U6cGFzcw==");
    for path in ["/metrics", "/health"] {
        for good in [bearer, basic] {
            assert_eq!(ask(server.address(), "GET", path, &[good]).status, 200, "{path} {good}");
        }
        for bad in [&[][..], &["Authorization: Bearer S3cret"], &["Authorization: Basic s3cret"], &[bearer, bearer]] {
            let answer = ask(server.address(), "GET", path, bad);
            assert_eq!(answer.status, 401, "{path} {bad:?}");
            let schemes: Vec<_> = answer.all("www-authenticate").collect();
            assert!(schemes[0].starts_with("Bearer ") && schemes[1].starts_with("Basic "), "{schemes:?}");
            assert!(!answer.text().contains("monitor_"));
        }
        assert_eq!(ask(server.address(), "HEAD", path, &[]).status, 401);
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!((get(server.address(), path).status, get(server.address(), path).text()), (200, "ok\n"));
    }
}

#[test]
fn a_page_of_the_web_cannot_ask_under_its_own_name() {
    let server = serve(Dashboard::new(&monitor()).allow_host("metrics.example.com").unwrap());
    for path in ["/metrics", "/health", "/livez", "/readyz", "/nothing"] {
        for (host, status) in [
            ("Host: evil.com", 421),
            ("Host: localhost.evil.com", 421),
            ("Host: 10.0.0.1", 421),
            ("Host: localhost@evil.com", 400),
            ("Host: ", 400),
        ] {
            assert_eq!(ask(server.address(), "GET", path, &[host]).status, status, "{path} {host}");
        }
        for host in ["Host: localhost:1", "Host: 127.0.0.1", "Host: [::1]:9", "Host: Metrics.Example.com"] {
            let expected = if path == "/nothing" { 404 } else { 200 };
            assert_eq!(ask(server.address(), "GET", path, &[host]).status, expected, "{path} {host}");
        }
    }
    let twice = ask(server.address(), "GET", "/livez", &["Host: localhost", "Host: evil.com"]);
    assert_eq!(twice.status, 400);
    for (request, status) in [
        (&b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n"[..], 400),
        (b"GET /livez HTTP/1.0\r\n\r\n", 400),
        (b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n", 200),
        (b"GET http://evil.com/livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 421),
        (b"GET http://localhost/livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200),
    ] {
        assert_eq!(parse(&send(server.address(), request), false).status, status, "{request:?}");
    }
}

#[test]
fn what_others_can_reach_needs_credentials() {
    for address in ["0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0"] {
        let error = Dashboard::new(&monitor()).serve_at(address).unwrap_err();
        assert!(error.is_open_to_others() && error.to_string().contains("`bearer_token` or `basic`"), "{error}");
    }
    let ready = TcpListener::bind("0.0.0.0:0").unwrap();
    assert!(Dashboard::new(&monitor()).serve_on(ready).unwrap_err().is_open_to_others());
    let ready = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = ready.local_addr().unwrap();
    let server = Dashboard::new(&monitor()).serve_on(ready).unwrap();
    assert_eq!((server.address(), get(address, "/livez").status), (address, 200));

    let server = Dashboard::new(&monitor()).bearer_token("s3cret").unwrap().serve_at("0.0.0.0:0").unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], server.address().port()));
    let token = "Authorization: Bearer s3cret";
    assert_eq!(ask(address, "GET", "/metrics", &[token, "Host: any.example"]).status, 200);
    assert_eq!(ask(address, "GET", "/metrics", &["Host: any.example"]).status, 401);
}

#[test]
fn a_port_that_is_taken_or_no_address_is_an_error() {
    let first = serve(Dashboard::new(&monitor()));
    let error = Dashboard::new(&monitor()).serve_at(first.address()).unwrap_err();
    assert!(error.is_address() && error.to_string().contains(&first.address().to_string()), "{error}");
    assert!(Dashboard::new(&monitor()).serve_at("no address").unwrap_err().is_address());
    assert!(Dashboard::new(&monitor()).serve_at(&[][..]).unwrap_err().is_address());
    assert!(Dashboard::new(&monitor()).limits(Limits::new().connections(0)).unwrap_err().is_invalid_setting());
    assert!(Dashboard::new(&monitor()).allow_host("http://x").unwrap_err().is_invalid_setting());
}

/// A sink that has trouble.
struct Broken;

impl Sink for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn open(&mut self, _: &Instance) -> Result<(), SinkError> {
        Ok(())
    }

    fn write(&mut self, _: &Batch) -> Result<(), SinkError> {
        Err(SinkError::again(&std::io::Error::other("the disk is full")))
    }
}

#[test]
fn health_says_how_the_program_is() {
    let sound = serve(Dashboard::new(&monitor()).version("1.2.3"));
    let health: serde_json::Value = serde_json::from_slice(&get(sound.address(), "/health").body).unwrap();
    assert_eq!(
        (&health["status"], &health["service"], &health["version"]),
        (&"healthy".into(), &"shop".into(), &"1.2.3".into())
    );
    assert!(health["uptime_seconds"].as_f64().unwrap() >= 0.0 && health["troubles"] == serde_json::json!([]));

    let monitor = Monitor::builder().sink(Broken).build().unwrap();
    monitor.scope(|| monitor.track("resize", |_| ()));
    let _ = monitor.flush(Duration::from_millis(10));
    let ailing = serve(Dashboard::new(&monitor));
    let health = loop {
        let health: serde_json::Value = serde_json::from_slice(&get(ailing.address(), "/health").body).unwrap();
        if health["status"] != "healthy" {
            break health;
        }
    };
    assert_eq!((&health["status"], &health["troubles"][0]["sink"]), (&"degraded".into(), &"broken".into()));
    assert!(health["troubles"][0]["error"].as_str().unwrap().contains("the disk is full"));
}

#[test]
fn a_program_with_axum_mounts_it_into_its_router() {
    let monitor = monitor();
    let dashboard = Dashboard::new(&monitor).bearer_token("s3cret").unwrap();
    let router = axum::Router::new()
        .route("/metrics-of-the-program", axum::routing::get(|| async { "mine" }))
        .nest("/monitor", dashboard.clone().router())
        .merge(dashboard.router())
        .fallback(|| async { "elsewhere" });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move { axum::serve(listener, router).await });
    assert_eq!(get(address, "/metrics-of-the-program").text(), "mine");
    assert_eq!(get(address, "/else").text(), "elsewhere");
    assert_eq!(get(address, "/metrics").status, 401);
    let page = ask(address, "GET", "/metrics", &["Authorization: Bearer s3cret"]);
    assert!(page.status == 200 && page.is_whole && page.header("x-content-type-options") == "nosniff");
    assert_eq!(get(address, "/monitor/livez").text(), "ok\n");
    assert_eq!(get(address, "/monitor/metrics").status, 401);
    assert_eq!(ask(address, "GET", "/livez", &["Host: any.example"]).status, 200);
}

#[test]
fn it_is_served_from_within_any_runtime_and_let_go_there() {
    let both = [
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
    ];
    for runtime in both {
        runtime.block_on(async {
            let server = serve(Dashboard::new(&monitor()));
            let address = server.address();
            let answer = tokio::task::spawn_blocking(move || get(address, "/metrics").status).await.unwrap();
            assert_eq!(answer, 200);
            drop(server);
        });
    }
}

#[test]
fn what_is_being_answered_when_it_ends_is_answered_and_the_port_is_free_again() {
    let monitor = large_monitor();
    let server = serve(Dashboard::new(&monitor));
    let address = server.address();
    let mut reader = connect(address);
    reader.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut first = [0; 1];
    reader.read_exact(&mut first).unwrap();
    let mut idle = connect(address);
    let ends = std::thread::scope(|scope| {
        let ends = scope.spawn(|| server.shutdown(LONG));
        assert!(rest(&mut idle).is_empty(), "who has no request is not waited for");
        let mut bytes = first.to_vec();
        bytes.extend(rest(&mut reader));
        assert!(parse(&bytes, false).is_whole);
        ends.join().unwrap()
    });
    assert!(ends);
    assert!(server.shutdown(LONG), "any number of times");
    let again = Dashboard::new(&monitor).serve_at(address).unwrap();
    assert_eq!(get(again.address(), "/livez").status, 200);
}

#[test]
fn who_does_not_take_its_answer_is_cut_at_the_deadline() {
    let server = serve(Dashboard::new(&large_monitor()));
    let mut reader = connect(server.address());
    reader.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut first = [0; 1];
    reader.read_exact(&mut first).unwrap();
    assert!(server.shutdown(Duration::from_millis(50)));
    let mut bytes = first.to_vec();
    bytes.extend(rest(&mut reader));
    assert!(!parse(&bytes, false).is_whole, "nobody takes it for all");
}

#[cfg(unix)]
#[test]
fn a_forked_child_leaves_it_to_its_parent() {
    let server = serve(Dashboard::new(&monitor()));
    // SAFETY: the child calls nothing but what is tested, and ends without unwinding.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let good = server.shutdown(LONG);
        drop(server);
        // SAFETY: ends this process.
        unsafe { libc::_exit(i32::from(!good)) };
    }
    let mut status = -1;
    // SAFETY: waits for the child that was just made.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0);
    assert_eq!(get(server.address(), "/livez").status, 200);
}
