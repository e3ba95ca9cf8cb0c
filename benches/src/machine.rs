//! The name of the machine, to stand beside figures that mean nothing without it.

use std::process::Command;

/// Processor, cores, kernel and compiler in one line. What can't be found out is left out.
#[must_use]
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let processor = processor(&read("/proc/cpuinfo")).unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = if kernel.is_empty() { String::new() } else { format!(", Linux {}", kernel.trim()) };
    let plural = if cores == 1 { "" } else { "s" };
    format!("{processor}, {cores} core{plural}{kernel}{}", compiler().unwrap_or_default())
}

/// `vendor_id` lines and the like differ between architectures; `model name` is x86's.
fn processor(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The compiler that the path leads to, which is the one `cargo bench` has just used unless somebody chose another.
fn compiler() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_whitespace().nth(1)?;
    Some(format!(", rustc {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_read_from_its_model_name() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC\nmodel name\t: other\n";
        assert_eq!(processor(cpuinfo).as_deref(), Some("AMD EPYC"));
        assert_eq!(processor("processor\t: 0\n"), None);
    }
}
