//! Two web services and a client, each a process of its own: tracked by a middleware, with one trace through all three
//! and its id in every line of their JSON logs.
//!
//! ```sh
//! cargo run --release --example axum_service
//! ```
//!
//! starts the services `orders` and `stock` as processes on free ports of the loopback, sends 200 requests from this
//! one, and shows what each service measured and the lines that one request left. Each service also runs by itself:
//!
//! ```sh
//! cargo run --release --example axum_service -- stock
//! cargo run --release --example axum_service -- orders http://127.0.0.1:PORT
//! curl http://127.0.0.1:PORT/orders/1
//! curl http://127.0.0.1:PORT/monitor
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

#[path = "axum_service/load.rs"]
mod load;
#[path = "axum_service/log.rs"]
mod log;
#[path = "axum_service/middleware.rs"]
mod middleware;
#[path = "axum_service/orders.rs"]
mod orders;
#[path = "axum_service/process.rs"]
mod process;
#[path = "axum_service/shelves.rs"]
mod shelves;
#[path = "axum_service/stock.rs"]
mod stock;

use std::error::Error;
use std::process::ExitCode;

/// The error of a program that has nothing to do with its errors but to show them.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

const USAGE: &str = "usage: axum_service [orders STOCK_URL | stock]";

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match arguments[..] {
        [] => load::run().await,
        ["stock"] => process::serve("stock", stock::router()).await,
        ["orders", url] => process::serve("orders", orders::router(url)).await,
        ["--help"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("axum_service: unknown arguments `{}`\n{USAGE}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("axum_service: {error}");
            ExitCode::FAILURE
        }
    }
}
