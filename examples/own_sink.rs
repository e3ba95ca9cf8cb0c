//! A sink of one's own: every call that is recorded individually, every error and every transition goes to a file as a
//! line of JSON, and each second's figures to a second one, in the form that spreadsheets read.
//!
//! ```sh
//! cargo run --release --example own_sink [FOLDER]
//! ```
//!
//! In the middle of the run the sink is told to fail for a while, as a server does that is away: the program does not
//! notice, what comes meanwhile waits, and in the end everything is there.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};
use std::{env, thread};

use monitor_core::{Batch, Instance, Monitor, Sink, SinkError, monitor, track_operation};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args_os().nth(1).map_or_else(|| env::temp_dir().join("own_sink"), PathBuf::from);
    fs::create_dir_all(&folder)?;
    let away = Arc::new(AtomicBool::new(false));
    let sink = Files { folder: folder.clone(), away: Arc::clone(&away), open: None };
    let installed = Monitor::builder().service("shop").sink(sink).install()?;

    for order in 0..300_u32 {
        if order == 100 {
            away.store(true, Ordering::SeqCst);
        }
        if order == 200 {
            // By now it has been tried. Who must know asks for a flush.
            let error = monitor().flush(Duration::from_millis(150)).err();
            println!(
                "while it is away: {}",
                error.map_or_else(|| "everything delivered".to_owned(), |e| e.to_string())
            );
            away.store(false, Ordering::SeqCst);
        }
        let _ = sell(order);
    }
    installed.shutdown(Duration::from_secs(10))?;

    println!("{}", monitor().snapshot());
    for name in ["records.jsonl", "rollups.csv"] {
        let lines = fs::read_to_string(folder.join(name))?.lines().count();
        println!("{name}: {lines} lines");
    }
    Ok(())
}

#[track_operation(record = "all", fields(order))]
fn sell(order: u32) -> Result<(), io::Error> {
    // What a real one would be waiting for.
    thread::sleep(Duration::from_micros(200));
    if order % 50 == 49 { Err(io::Error::other(format!("order {order} cannot be paid"))) } else { Ok(()) }
}

/// Writes to two files in a folder.
struct Files {
    folder: PathBuf,
    /// Whether it is to fail, for the sake of the example.
    away: Arc<AtomicBool>,
    open: Option<Open>,
}

struct Open {
    records: BufWriter<File>,
    rollups: BufWriter<File>,
}

impl Open {
    fn new(folder: &Path) -> io::Result<Open> {
        let create = |name| File::create(folder.join(name)).map(BufWriter::new);
        let (records, mut rollups) = (create("records.jsonl")?, create("rollups.csv")?);
        writeln!(rollups, "step_start,operation,calls,failed,mean_us,p99_us")?;
        Ok(Open { records, rollups })
    }

    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        for record in &batch.records {
            serde_json::to_writer(&mut self.records, record)?;
            self.records.write_all(b"\n")?;
        }
        for rollup in &batch.rollups {
            let (start, figures) = (rollup.step_start.duration_since(UNIX_EPOCH).unwrap_or_default(), rollup.figures());
            let (mean, p99) = (figures.mean().as_micros(), figures.percentile(0.99).as_micros());
            let (name, calls, failed) = (&rollup.name, figures.started, figures.failed);
            writeln!(self.rollups, "{},{name},{calls},{failed},{mean},{p99}", start.as_secs())?;
        }
        self.records.flush()?;
        self.rollups.flush()
    }
}

impl Sink for Files {
    fn name(&self) -> &'static str {
        "files"
    }

    fn open(&mut self, instance: &Instance) -> Result<(), SinkError> {
        println!("{} writes to {}", instance.service, self.folder.display());
        // A folder that is not there is a mistake in the set-up: better to be told at the start.
        self.open = Some(Open::new(&self.folder).map_err(|error| SinkError::refused(&error))?);
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(SinkError::again(&io::Error::other("the server is away")));
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        // A batch that is written in part comes once more, so lines may stand there twice; a database has transactions.
        open.write(batch).map_err(|error| SinkError::again(&error))
    }
}
