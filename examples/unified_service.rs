//! A small shop as a web service: tracked handlers and a tracked SQLite database, `/metrics` in its own router, and
//! everything for Prometheus and Grafana written from its own operations.
//!
//! ```sh
//! cargo run --release --example unified_service
//! ```
//!
//! starts the service on a free port of the loopback, sends it 500 requests, and shows what `/metrics` says of them. With
//! Prometheus it takes three commands, see `examples/unified_service/README.md`:
//!
//! ```sh
//! cargo run --release --example unified_service -- serve
//! cargo run --release --example unified_service -- load http://127.0.0.1:8080 600
//! cargo run --release --example unified_service -- files FOLDER
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

#[path = "unified_service/api.rs"]
mod api;
#[path = "unified_service/database.rs"]
mod database;
#[path = "unified_service/load.rs"]
mod load;
#[path = "unified_service/orders.rs"]
mod orders;
#[path = "unified_service/stock.rs"]
mod stock;

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use monitor_core::{Exposition, Installed, Monitor, PrometheusFiles, monitor};
use monitor_dashboard::{DEFAULT_ADDRESS, Dashboard};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use api::Shop;

/// The error of a program that has nothing to do with its errors but to show them.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

const USAGE: &str = "usage: unified_service [serve [ADDRESS] | load URL SECONDS | files FOLDER]";

/// Requests when nothing else is asked for.
const REQUESTS: u32 = 500;

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match arguments[..] {
        [] => show().await,
        ["serve"] => serve(DEFAULT_ADDRESS).await,
        ["serve", address] => match address.parse() {
            Ok(address) => serve(address).await,
            Err(_) => Err(format!("`{address}` is no address such as 127.0.0.1:8080").into()),
        },
        ["load", url, seconds] => match seconds.parse() {
            Ok(seconds) => load::for_a_while(url, Duration::from_secs(seconds)).await,
            Err(_) => Err(format!("`{seconds}` is no number of seconds").into()),
        },
        ["files", folder] => files(folder).await,
        ["--help"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("unified_service: unknown arguments `{}`\n{USAGE}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("unified_service: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The shop and, beside it in the same router, what is known of it.
fn router(shop: &Arc<Shop>) -> Result<Router, Failure> {
    let exposition = Exposition::new().buckets_of("db.*", &[0.000_1, 0.001, 0.01, 0.1, 1.0])?;
    let dashboard = Dashboard::new(&monitor()).exposition(exposition).version(env!("CARGO_PKG_VERSION"));
    // The service itself needs no credentials either: it is for this machine alone.
    let dashboard = dashboard.allow_host("localhost")?;
    Ok(api::router(shop.clone()).merge(dashboard.router()))
}

async fn serve(address: SocketAddr) -> Result<(), Failure> {
    if !address.ip().is_loopback() {
        return Err(format!("{address} can be reached by others, and this example has no credentials").into());
    }
    let guard = Monitor::builder().service("shop").install()?;
    let shop = Shop::open()?;
    let workers = orders::start_workers(&shop);
    let listener = TcpListener::bind(address).await.map_err(|error| format!("cannot listen at {address}: {error}"))?;
    println!("http://{}/items/1 is the shop, http://{0}/metrics what is known of it", listener.local_addr()?);
    let until = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    let refills = tokio::spawn(stock::refill_again_and_again(shop.clone()));
    axum::serve(listener, router(&shop)?).with_graceful_shutdown(until).await?;
    refills.abort();
    drop(workers);
    guard.shutdown(Duration::from_secs(5))?;
    Ok(())
}

/// The shop on a free port of the loopback, served by this program for itself.
struct Running {
    guard: Installed,
    shop: Arc<Shop>,
    url: String,
    tasks: JoinSet<()>,
}

impl Running {
    async fn start() -> Result<Running, Failure> {
        let guard = Monitor::builder().service("shop").install()?;
        let shop = Shop::open()?;
        let mut tasks = orders::start_workers(&shop);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = router(&shop)?;
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("unified_service: {error}");
            }
        });
        Ok(Running { guard, shop, url, tasks })
    }

    /// Sends so many requests and fills up the shelves, until all mails are sent.
    async fn work(&self, requests: u32) -> Result<load::Sent, Failure> {
        let sent = load::requests(&self.url, requests).await?;
        stock::refill(&self.shop).await?;
        orders::wait_for_all(&self.shop).await;
        Ok(sent)
    }

    fn end(mut self) -> Result<(), Failure> {
        self.tasks.abort_all();
        self.guard.shutdown(Duration::from_secs(5))?;
        Ok(())
    }
}

/// Serves, asks, and shows what came of it.
async fn show() -> Result<(), Failure> {
    let running = Running::start().await?;
    println!("{}\n", running.work(REQUESTS).await?.summary());
    let client = reqwest::Client::new();
    let page = client.get(format!("{}/metrics", running.url)).send().await?.text().await?;
    let wanted = ["operations_total", "queue_processed_total", "cache_lookups_total", "state_entities", "job_done"];
    for line in page.lines().filter(|line| wanted.iter().any(|name| line.starts_with(&format!("monitor_{name}{{")))) {
        println!("{line}");
    }
    let health: serde_json::Value = client.get(format!("{}/health", running.url)).send().await?.json().await?;
    println!("\nhealth: {}, version {}", health["status"], health["version"]);
    // Each request is one call of one handler, and the page has them all.
    let counted: u64 = (monitor().snapshot().operations().iter())
        .filter(|stats| stats.kind == "api")
        .map(|stats| stats.finished())
        .sum();
    assert_eq!(counted, u64::from(REQUESTS));
    println!("{} lines for Prometheus; every request is counted", page.lines().count());
    running.end()
}

/// Writes what Prometheus and Grafana need: after a few requests, since what is written is what there is.
async fn files(folder: &str) -> Result<(), Failure> {
    let running = Running::start().await?;
    running.work(50).await?;
    let snapshot = monitor().snapshot();
    for path in PrometheusFiles::new(&snapshot).scrape_interval(Duration::from_secs(5))?.write_to(folder)? {
        println!("{}", path.display());
    }
    running.end()
}
