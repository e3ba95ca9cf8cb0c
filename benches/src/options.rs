//! The arguments of a bench, the same for all targets.

use crate::BenchResult;

/// How a bench is to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A few seconds in all, to see that everything runs. The figures are rough.
    pub short: bool,
    /// Standard output is a Markdown section, ready for the README; progress goes to standard error.
    pub markdown: bool,
    /// Of the `record` table, only the rows whose key contains this.
    pub only: Option<String>,
}

/// What `--help` prints.
pub const USAGE: &str = "\
cargo bench -p benches [--features peers] [--bench record|errors|progress|states|queues|metrics|tracing|allocations|context|sqlite|exposition|snapshot|memory] -- [ROWS] [--short] [--markdown]

  ROWS        only the rows of the record table whose key contains this text, e.g. `ours`; only that part of `sqlite`
  --short     a few seconds in all; so does BENCH_SHORT=1
  --markdown  print a Markdown section on standard output";

impl Options {
    /// Reads the arguments of the program and `BENCH_SHORT`.
    ///
    /// # Errors
    ///
    /// For an argument that is not one of [`USAGE`].
    pub fn from_env() -> BenchResult<Self> {
        let short = std::env::var_os("BENCH_SHORT").is_some_and(|value| !value.is_empty() && value != "0");
        Self::parse(std::env::args().skip(1), short)
    }

    /// `cargo bench` passes `--bench`. Without it a test run started the program (`cargo test --benches`), and that
    /// is to know whether it works, not how fast it is.
    fn parse(arguments: impl IntoIterator<Item = String>, short: bool) -> BenchResult<Self> {
        let mut options = Self { short, ..Self::default() };
        let mut benching = false;
        for argument in arguments {
            match argument.as_str() {
                "--bench" => benching = true,
                "--short" => options.short = true,
                "--markdown" => options.markdown = true,
                other if other.starts_with('-') => return Err(format!("unknown argument {other}\n\n{USAGE}").into()),
                _ if options.only.is_some() => return Err(format!("more than one ROWS\n\n{USAGE}").into()),
                _ => options.only = Some(argument),
            }
        }
        options.short |= !benching;
        Ok(options)
    }

    /// Whether a row is wanted.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|part| name.contains(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> BenchResult<Options> {
        Options::parse(line.split_whitespace().map(str::to_owned), false)
    }

    #[test]
    fn cargo_bench_runs_in_full_and_a_test_run_is_short() -> BenchResult {
        assert!(!parse("--bench")?.short);
        assert!(parse("")?.short);
        assert!(parse("--short --bench")?.short);
        Ok(())
    }

    #[test]
    fn a_bare_word_chooses_rows() -> BenchResult {
        let options = parse("ours --bench")?;
        assert!(options.wants("ours_macro"));
        assert!(!options.wants("prometheus_kept"));
        assert!(parse("--bench")?.wants("prometheus_kept"));
        Ok(())
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert!(parse("--fast").is_err());
        assert!(parse("ours prometheus").is_err());
    }
}
