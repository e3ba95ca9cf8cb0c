//! Files for Prometheus and Grafana, written from what a program has.
//!
//! | file | owns |
//! |---|---|
//! | `mod` | what the files are told, their names, and how they get into a folder |
//! | `scrape`, `rules`, `runbook`, `grafana` | one file each |
//! | `catalogue`, `panels` | which alerts and which panels there are |
//! | `query` | queries from templates; quoting |

mod catalogue;
mod grafana;
mod panels;
mod query;
mod rules;
mod runbook;
mod scrape;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::query::Queries;
use super::settings::Exposition;
use crate::base::error::Error;
use crate::base::names::truncated;
use crate::model::Snapshot;

/// Where the page is, unless said otherwise.
const TARGET: &str = "127.0.0.1:8080";

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_hours(1);

/// How far back is looked at least; four scrapes must be in it, since two are needed and one may fail.
const WINDOW: Duration = Duration::from_mins(5);

/// The configuration of Prometheus, alerts, a runbook for them and a dashboard for Grafana: written from a program's own
/// operations, so that nobody needs to begin with an empty file.
///
/// | file | what it is |
/// |---|---|
/// | `prometheus.yml` | what Prometheus scrapes, and which rules it reads |
/// | `monitor.rules.yml` | more than thirty alerts with severity, summary, description and a link to the runbook; the series that they have in common; an objective of latency for each operation |
/// | `monitor-dashboard.json` | a dashboard for Grafana, by service, instance, kind and operation |
/// | `RUNBOOK.md` | what each alert means, and what to do |
///
/// `monitor` stands for the [namespace](Exposition::namespace). The same operations, metrics and settings give the same bytes. Parts
/// that the program does not have (queues, caches) have no panels, and alerts that never fire.
///
/// ```
/// use monitor_core::{Monitor, PrometheusFiles};
///
/// let monitor = Monitor::builder().service("shop").build()?;
/// monitor.scope(|| monitor.operation("db.fetch").kind("database").start().succeed());
///
/// let snapshot = monitor.snapshot();
/// let files = PrometheusFiles::new(&snapshot).target("10.0.0.7:9100")?.bearer_token_file("/etc/prometheus/shop.token");
/// assert!(files.scrape_config().contains("job_name: 'shop'"));
/// assert!(files.rules().contains("alert: OperationFailureRateHigh"));
/// # let folder = std::env::temp_dir().join(format!("prometheus-files-{}", std::process::id()));
/// files.write_to(&folder)?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The service is the job: each file is of one service, and several can be loaded by one Prometheus. With the command line
/// of Prometheus: `promtool check config prometheus.yml`, `prometheus --config.file=prometheus.yml`.
#[derive(Debug, Clone)]
pub struct PrometheusFiles<'a> {
    snapshot: &'a Snapshot,
    exposition: Exposition,
    targets: Vec<String>,
    interval: Duration,
    credentials: Option<Credentials>,
    runbook_url: String,
}

/// How Prometheus shows that it may read. The secret is in a file of its machine.
#[derive(Debug, Clone)]
enum Credentials {
    Bearer { file: String },
    Basic { user: String, file: String },
}

impl<'a> PrometheusFiles<'a> {
    /// Of the program that this is a snapshot of: for a page at `127.0.0.1:8080`, every 15 seconds.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot) -> PrometheusFiles<'a> {
        PrometheusFiles {
            snapshot,
            exposition: Exposition::new(),
            targets: Vec::new(),
            interval: Duration::from_secs(15),
            credentials: None,
            runbook_url: "RUNBOOK.md".to_owned(),
        }
    }

    /// What the page is like: its namespace.
    #[must_use]
    pub fn exposition(mut self, exposition: &Exposition) -> PrometheusFiles<'a> {
        self.exposition = exposition.clone();
        self
    }

    /// Where the page is, as Prometheus reaches it; several times for several instances.
    ///
    /// # Errors
    /// [`is_invalid_setting`](Error::is_invalid_setting), if it is not a host and a port.
    pub fn target(mut self, target: &str) -> Result<PrometheusFiles<'a>, Error> {
        let host = target.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
        let is_host = |host: &str| {
            let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
            inner.map_or(!host.is_empty() && host.chars().all(is_letter), |inner| {
                inner.parse::<std::net::Ipv6Addr>().is_ok()
            })
        };
        if !host.is_some_and(|(host, _)| is_host(host)) {
            let given = truncated(target, 80).into_owned();
            let allowed = "a host and a port without a scheme, such as `10.0.0.7:8080` or `[::1]:8080`";
            return Err(Error::invalid_setting("target", format_args!("`{given}`"), allowed));
        }
        self.targets.push(target.to_owned());
        Ok(self)
    }

    /// How often Prometheus asks. Alerts look back five minutes, or four times as long.
    ///
    /// # Errors
    /// [`is_invalid_setting`](Error::is_invalid_setting), if it is not from a second to an hour.
    pub fn scrape_interval(mut self, interval: Duration) -> Result<PrometheusFiles<'a>, Error> {
        if !(SHORTEST..=LONGEST).contains(&interval) {
            return Err(Error::invalid_setting("scrape_interval", format_args!("{interval:?}"), "a second to an hour"));
        }
        self.interval = interval;
        Ok(self)
    }

    /// The page needs a token, which is in that file of Prometheus' machine.
    #[must_use]
    pub fn bearer_token_file(mut self, file: &str) -> PrometheusFiles<'a> {
        self.credentials = Some(Credentials::Bearer { file: file.to_owned() });
        self
    }

    /// The page needs that user and a password, which is in that file of Prometheus' machine.
    #[must_use]
    pub fn basic_auth(mut self, user: &str, password_file: &str) -> PrometheusFiles<'a> {
        self.credentials = Some(Credentials::Basic { user: user.to_owned(), file: password_file.to_owned() });
        self
    }

    /// Where the runbook will be, for the links of alerts: what comes behind `#` is added. Without it they lead to
    /// `RUNBOOK.md`.
    #[must_use]
    pub fn runbook_url(mut self, url: &str) -> PrometheusFiles<'a> {
        url.clone_into(&mut self.runbook_url);
        self
    }

    /// The text of `prometheus.yml`.
    #[must_use]
    pub fn scrape_config(&self) -> String {
        scrape::write(self)
    }

    /// The text of the rules: recorded series, objectives, alerts.
    #[must_use]
    pub fn rules(&self) -> String {
        rules::write(self)
    }

    /// The dashboard for Grafana, as JSON. It is imported under Dashboards, New, Import.
    #[must_use]
    pub fn dashboard(&self) -> String {
        grafana::write(self)
    }

    /// The text of `RUNBOOK.md`.
    #[must_use]
    pub fn runbook(&self) -> String {
        runbook::write(self)
    }

    /// Writes all four into that folder, which is made if need be, and returns where they are. A file that is the same
    /// already is left alone; another one is replaced as a whole.
    ///
    /// # Errors
    /// Those of the file system, with the path.
    pub fn write_to(&self, folder: impl AsRef<Path>) -> io::Result<Vec<PathBuf>> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
        let files = [
            ("prometheus.yml".to_owned(), self.scrape_config()),
            (self.rules_name(), self.rules()),
            (format!("{}-dashboard.json", self.exposition.prefix()), self.dashboard()),
            ("RUNBOOK.md".to_owned(), self.runbook()),
        ];
        files
            .into_iter()
            .map(|(name, text)| {
                let path = folder.join(&name);
                if fs::read(&path).is_ok_and(|known| known == text.as_bytes()) {
                    return Ok(path);
                }
                // Whoever reads it meanwhile has the old one.
                let beside = folder.join(format!(".{name}.{}", std::process::id()));
                let written = fs::write(&beside, &text).and_then(|()| fs::rename(&beside, &path));
                if written.is_err() {
                    let _ = fs::remove_file(&beside);
                }
                written.map(|()| path.clone()).map_err(|error| at(&path, &error))
            })
            .collect()
    }

    /// What Prometheus calls the program.
    fn job(&self) -> &str {
        let service = self.snapshot.service();
        if service.is_empty() { self.exposition.prefix() } else { service }
    }

    fn rules_name(&self) -> String {
        format!("{}.rules.yml", self.exposition.prefix())
    }

    fn runbook_url_of(&self, alert: &str) -> String {
        format!("{}#{}", self.runbook_url, alert.to_ascii_lowercase())
    }

    /// Queries of the rules: of this service alone.
    fn queries(&self) -> Queries {
        Queries {
            namespace: self.exposition.prefix().to_owned(),
            common: format!("job={}", query::quoted(self.job())),
            of_operations: String::new(),
            window: scrape::duration(WINDOW.max(self.interval * 4)),
        }
    }
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
