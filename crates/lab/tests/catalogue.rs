//! Every row of the catalogue beyond the Autobahn suite is covered: `catalogue.txt` says what covers each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use bowsprit_lab::cases;

/// The families of the catalogue, and how many rows each has.
const FAMILIES: &[(&str, usize)] = &[
    ("BCP", 6),
    ("CLS", 46),
    ("CTL", 11),
    ("EXT", 20),
    ("FRG", 7),
    ("FRM", 37),
    ("H2W", 90),
    ("H3W", 4),
    ("HSC", 68),
    ("HSS", 136),
    ("LIM", 17),
    ("PMD", 41),
    ("PMN", 58),
    ("PXY", 9),
    ("RCN", 7),
    ("SEC", 14),
    ("SUB", 19),
    ("TLS", 9),
    ("URI", 9),
    ("UTF", 7),
];

#[test]
fn no_row_is_forgotten() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = &package.join("../..");
    let text = fs::read_to_string(package.join("tests/catalogue.txt")).unwrap();
    // HSS-004 for HSS-004.1.
    let played: BTreeSet<&str> =
        cases::all().filter(|case| !case.has_tag("autobahn")).map(|case| row_of(case.id)).collect();
    let mut rows = BTreeSet::new();
    let mut families: BTreeMap<&str, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    while let Some(line) = lines.next() {
        let mut words = line.splitn(3, ' ');
        let (row, kind, what) =
            (words.next().unwrap(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let meaning = lines.next_if(|line| line.starts_with("  ")).unwrap_or_default();
        if !meaning.contains(": ") || meaning.len() < 8 {
            faults.push(format!("{row} does not say what it means"));
        }
        if !rows.insert(row) {
            faults.push(format!("{row} is there twice"));
        }
        *families.entry(row.split('-').next().unwrap()).or_default() += 1;
        match kind {
            "case" if what.is_empty() && !played.contains(row) => faults.push(format!("{row} has no case")),
            "case" => {}
            "test" => faults.extend(
                what.split(", ")
                    .filter(|test| !is_there(root, test))
                    .map(|test| format!("{row}: there is no test {test}")),
            ),
            "type" | "none" | "later" if what.split(' ').count() > 3 => {}
            _ => faults.push(format!("{row}: what looks after it? {line}")),
        }
    }
    faults.extend(played.difference(&rows).map(|row| format!("{row} is a case of the lab, and no row")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(families.into_iter().collect::<Vec<_>>(), FAMILIES);
    assert_eq!(rows.len(), 615);
}

/// Returns the row that a case plays: everything before a dot.
fn row_of(id: &'static str) -> &'static str {
    id.split('.').next().unwrap()
}

/// Returns whether `FILE::NAME` is a test.
fn is_there(root: &Path, test: &str) -> bool {
    let Some((file, name)) = test.split_once("::") else { return false };
    let Ok(source) = fs::read_to_string(root.join(file)) else { return false };
    let Some(at) = source.find(&format!("fn {name}()")) else { return false };
    // Its attributes are right above it.
    source[..at].trim_end().lines().rev().take(3).any(|line| line.trim() == "#[test]")
}
