//! The services as processes: served until standard input ends, started and stopped from another process.

use std::process::Stdio;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use monitor_core::{Monitor, monitor};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, stdin};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::{Failure, log, middleware};

/// Serves on a free port, which is said on standard output, until standard input ends.
pub(crate) async fn serve(name: &str, routes: Router) -> Result<(), Failure> {
    let installed = Monitor::builder().service(name).install()?;
    log::begin();
    let app = middleware::tracked(routes).route("/monitor", get(async || monitor().snapshot().to_string()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    let input_ends = async {
        // Whatever ends it, an error too, nobody is there any more.
        let _ = stdin().read_to_end(&mut Vec::new()).await;
    };
    axum::serve(listener, app).with_graceful_shutdown(input_ends).await?;
    installed.shutdown(Duration::from_secs(1))?;
    Ok(())
}

/// A service that this process started.
pub(crate) struct Service {
    pub url: String,
    process: Child,
    log: JoinHandle<std::io::Result<Vec<String>>>,
}

impl Service {
    /// Starts this program once more, with these arguments.
    pub(crate) async fn start(arguments: &[&str]) -> Result<Service, Failure> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (output, errors) = process.stdout.take().zip(process.stderr.take()).ok_or("the pipes were not made")?;
        let log = tokio::spawn(async move {
            let (mut lines, mut read) = (BufReader::new(errors).lines(), Vec::new());
            while let Some(line) = lines.next_line().await? {
                read.push(line);
            }
            Ok(read)
        });
        let mut lines = BufReader::new(output).lines();
        let url = timeout(Duration::from_secs(30), lines.next_line()).await??;
        let url = url.ok_or_else(|| format!("{arguments:?} ended before it served"))?;
        Ok(Service { url, process, log })
    }

    /// Ends it, and gives the lines that it logged.
    pub(crate) async fn stop(mut self) -> Result<Vec<String>, Failure> {
        drop(self.process.stdin.take());
        let status = timeout(Duration::from_secs(30), self.process.wait()).await??;
        let log = self.log.await??;
        if status.success() { Ok(log) } else { Err(format!("ended with {status}\n{}", log.join("\n")).into()) }
    }
}
