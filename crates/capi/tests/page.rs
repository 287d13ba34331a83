//! The documents match the code.

use std::fs;

fn read(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).expect(path)
}

/// The server that the page shows is the one that is built and tested.
#[test]
fn the_page_shows_the_example() {
    let (page, example) = (read("../../docs/c.md"), read("examples/echo_server.c"));
    let (_, rest) = page.split_once("```c\n").unwrap();
    let (shown, _) = rest.split_once("```\n").unwrap();
    assert_eq!(shown, example, "put crates/capi/examples/echo_server.c into docs/c.md");
}

/// Every function that the documents name exists, and their number is right.
#[test]
fn documents_name_what_the_header_declares() {
    let header = read("include/bowsprit.h");
    let names = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.to_ascii_lowercase().starts_with("bow_") && !word.starts_with("bow_x_"))
            .filter(|word| word.len() > 4) // the prefix by itself
            .map(str::to_owned)
            .collect()
    };
    let there = names(&header);
    for file in ["../../docs/c.md", "include/bowsprit.hpp"] {
        for name in names(&read(file)) {
            assert!(there.contains(&name), "{file} names {name}, which is not in the header");
        }
    }
    let functions = header.lines().filter(|line| line.contains(" bow_") || line.contains("*bow_"));
    let functions =
        functions.filter(|line| !line.starts_with([' ', '#', '/', 't', '}']) && line.contains('('));
    assert!(read("README.md").contains(&format!("{} functions", functions.count())));
}
