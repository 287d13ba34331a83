//! A place for the files that a command writes and reads.

use std::fs;
use std::path::{Path, PathBuf};

use bowsprit_lab::report::json::{Report, RunReport};

/// A directory of one test, empty at its start.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }

    /// Returns the only run of the report in a file.
    pub fn run(&self, name: &str) -> RunReport {
        Report::from_json(&self.read(name)).unwrap().runs.remove(0)
    }
}
