//! The results as a picture; `chart.py` draws it, with nothing but Python's own library.

use crate::options::Options;
use std::path::Path;
use std::process::Command;

/// Draws `chart.png` beside the stores, or says why not.
pub(crate) fn draw(options: &Options) {
    let chart = options.folder.join("chart.png");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/chart.py");
    let mut command = Command::new(&options.python);
    match command.arg(script).arg(&options.results).arg(&chart).status() {
        Ok(status) if status.success() => println!("chart: {}", chart.display()),
        Ok(status) => println!("SKIPPED: the chart: {} ended with {status}", options.python),
        Err(error) => println!("SKIPPED: the chart: {} does not start: {error}", options.python),
    }
}
