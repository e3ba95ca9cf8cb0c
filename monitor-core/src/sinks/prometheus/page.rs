//! A page, chunk by chunk: what is written is handed out before there is much of it.

use std::io::{self, Write};

use super::custom::{self, CustomFamily};
use super::families::{self, Family, Source};
use super::format::TextFormat;
use super::lines::Lines;
use super::settings::Exposition;
use crate::base::error::Error;
use crate::base::names::truncated;
use crate::model::{OperationRecord, Snapshot};

/// A chunk is handed out when it is as large as this.
const CHUNK: usize = 64 * 1024;

impl Exposition {
    /// Leaves families out, by their names without the namespace and without an ending such as `_total`. What each family has
    /// for an operation is a series of Prometheus for every label set of it, and few programs need all of them.
    ///
    /// ```
    /// use monitor_core::Exposition;
    ///
    /// let exposition = Exposition::new().without(&["operation_polls", "operation_allocations"])?;
    /// assert!(Exposition::families().any(|family| family == "operation_polls"));
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`is_invalid_setting`](Error::is_invalid_setting), if there is no such family among [`families`](Self::families).
    pub fn without(mut self, families: &[&str]) -> Result<Exposition, Error> {
        for name in families {
            let Some(known) = Exposition::families().find(|known| known == name) else {
                let given = truncated(name, 80).into_owned();
                let allowed = "a name of `Exposition::families`, such as `operation_polls`";
                return Err(Error::invalid_setting("without", format_args!("`{given}`"), allowed));
            };
            self.leave_out(known);
        }
        Ok(self)
    }

    /// Names of all families, without the namespace and without an ending, in the order of the page. The host's own metrics are
    /// not among them.
    pub fn families() -> impl Iterator<Item = &'static str> {
        families::all().map(|family| family.name)
    }

    /// The page, to be written chunk by chunk.
    #[must_use]
    pub fn page<'a>(&'a self, snapshot: &'a Snapshot, format: TextFormat) -> ExpositionPage<'a> {
        ExpositionPage::new(self, snapshot, format)
    }

    /// The page as one text.
    #[must_use]
    pub fn text(&self, snapshot: &Snapshot, format: TextFormat) -> String {
        let mut page = self.page(snapshot, format);
        let mut text = String::new();
        while let Some(chunk) = page.next_chunk() {
            text.push_str(chunk);
        }
        text
    }
}

/// A page of [`Exposition`], to be written chunk by chunk: in memory there is one at a time.
pub struct ExpositionPage<'a> {
    settings: &'a Exposition,
    source: Source<'a>,
    lines: Lines,
    families: Vec<&'static Family>,
    custom: Vec<CustomFamily<'a>>,
    /// The family that is next, of both sorts, and the item of it.
    at: (usize, usize),
    name: String,
    is_over: bool,
}

impl<'a> ExpositionPage<'a> {
    pub(super) fn new(settings: &'a Exposition, snapshot: &'a Snapshot, format: TextFormat) -> ExpositionPage<'a> {
        ExpositionPage {
            settings,
            source: Source::new(settings, snapshot),
            lines: Lines::new(format, CHUNK + CHUNK / 4),
            families: families::all().filter(|family| settings.has(family.name)).collect(),
            custom: custom::custom(settings, snapshot),
            at: (0, 0),
            name: String::new(),
            is_over: false,
        }
    }

    /// With traces that stand for buckets of durations and for outcomes, of the newest of these calls:
    /// [exemplars](https://prometheus.io/docs/specs/om/open_metrics_spec/#exemplars), with the labels `trace_id` and
    /// `span_id`, the call's duration and the moment of its end. Only [`TextFormat::OpenMetrics`] has them; to be said
    /// before the first chunk.
    ///
    /// The calls are those of [`Monitor::recent`](crate::Monitor::recent), newest first, asked for before the snapshot: then
    /// each of them is in it.
    ///
    /// ```
    /// use monitor_core::{Exposition, Monitor, TextFormat};
    ///
    /// let monitor = Monitor::builder().build()?;
    /// monitor.scope(|| monitor.track("resize", |_| ()));
    ///
    /// let (recent, snapshot) = (monitor.recent(1_000), monitor.snapshot());
    /// let exposition = Exposition::new();
    /// let mut page = exposition.page(&snapshot, TextFormat::OpenMetrics).exemplars(&recent);
    /// assert!(page.next_chunk().is_some_and(|text| text.contains("# {trace_id=\"")));
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    #[must_use]
    pub fn exemplars(mut self, recent: &[OperationRecord]) -> ExpositionPage<'a> {
        if self.lines.format == TextFormat::OpenMetrics {
            self.source.add_exemplars(recent);
        }
        self
    }

    /// The next chunk: whole lines, 64 KiB and one item at most. `None` after the last one.
    pub fn next_chunk(&mut self) -> Option<&str> {
        self.lines.text.clear();
        while self.lines.text.len() < CHUNK && !self.is_over {
            if !self.write_item() {
                self.lines.end();
                self.is_over = true;
            }
        }
        Some(&*self.lines.text).filter(|text| !text.is_empty())
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// That of `out`.
    pub fn write_to(mut self, mut out: impl Write) -> io::Result<()> {
        while let Some(chunk) = self.next_chunk() {
            out.write_all(chunk.as_bytes())?;
        }
        Ok(())
    }

    /// Writes one item of a family, if there is one left.
    fn write_item(&mut self) -> bool {
        let (number, item) = self.at;
        if let Some(family) = self.families.get(number) {
            if item < (family.items)(&self.source) {
                if item == 0 {
                    self.name.clear();
                    self.name.extend([self.settings.prefix(), "_", family.name]);
                    self.lines.family(&self.name, family.kind, family.unit, family.help);
                }
                (family.write)(&mut self.lines, &self.source, item);
                self.at.1 += 1;
                return true;
            }
        } else if let Some(family) = self.custom.get(number - self.families.len()) {
            if item < family.metrics.len() {
                if item == 0 {
                    family.begin(&mut self.lines);
                }
                family.write(&mut self.lines, self.settings, item);
                self.at.1 += 1;
                return true;
            }
        } else {
            return false;
        }
        self.at = (number + 1, 0);
        true
    }
}

impl std::fmt::Debug for ExpositionPage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExpositionPage").field("at", &self.at).field("is_over", &self.is_over).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_families_that_there_are_can_be_left_out() {
        let error = Exposition::new().without(&["monitor_operations_total"]).unwrap_err();
        assert!(error.is_invalid_setting() && error.to_string().contains("`operation_polls`"), "{error}");
        assert!(Exposition::new().without(&["operations", "build"]).is_ok());
    }
}
