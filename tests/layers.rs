//! Imports point one way: a layer uses what stands above it in [`LAYERS`], and of that only what is listed. No file
//! imports itself through others, and none is too long to be read in one go. Types that may grow are
//! `#[non_exhaustive]`.
//!
//! The test reads the sources. A new module needs a row, and a new import an entry: both are worth a thought about
//! whether the layer is the right place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module at the top of the crate, and what it may import of the others.
const LAYERS: &[(&str, &[&str])] = &[
    // What everybody knows.
    ("role", &[]),
    ("secret", &[]),
    ("token", &[]),
    ("utf8", &[]),
    ("close_code", &[]),
    ("time", &[]),
    ("error", &["close_code"]),
    ("close", &["close_code", "error", "utf8"]),
    // The path of the bytes.
    ("frame", &["error", "role"]),
    ("entropy", &["frame::MaskKey"]),
    ("extension", &["error", "role", "token"]),
    ("message", &["error", "extension", "frame", "utf8"]),
    ("connection", &["close", "entropy", "error", "extension", "frame", "message", "role", "time", "utf8"]),
    // Runs once, before it.
    ("handshake", &["error", "extension", "secret", "token"]),
    // Between the byte stream and the connections on it.
    ("http2", &["error", "handshake", "role", "secret", "time", "token"]),
    // What touches sockets and clocks.
    ("tls", &[]),
    // Between processes, likewise without a socket.
    ("backplane", &["entropy", "frame", "message", "secret", "tls"]),
    // How a server is reached: knows no socket, only what follows from what.
    ("client", &["close", "connection", "entropy", "extension", "handshake", "http2", "secret", "tls"]),
    (
        "blocking",
        &[
            "client",
            "close",
            "connection",
            "entropy",
            "error",
            "extension",
            "frame::DataKind",
            "frame::Header",
            "handshake",
            "http2",
            "message",
            "role",
            "tls",
            "utf8",
        ],
    ),
    (
        "event_loop",
        &[
            "backplane",
            "client",
            "close",
            "connection",
            "entropy",
            "error",
            "extension",
            "frame::DataKind",
            "frame::Header",
            "frame::Kind",
            "handshake",
            "http2",
            "message",
            "role",
            "secret",
            "tls",
        ],
    ),
];

/// The file that stands over all layers.
const ROOTS: [&str; 1] = ["lib.rs"];

#[test]
fn every_import_is_allowed() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    let files = sources(&src);
    assert!(files.len() > 20, "the sources are where they are looked for");
    for file in files {
        let name = file.strip_prefix(&src).unwrap();
        let layer = name.iter().next().unwrap().to_str().unwrap();
        if ROOTS.contains(&layer) {
            continue;
        }
        let layer = layer.trim_end_matches(".rs");
        let Some((_, allowed)) = LAYERS.iter().find(|(module, _)| *module == layer) else {
            faults.push(format!("{}: the module `{layer}` has no row", name.display()));
            continue;
        };
        let code = code(&fs::read_to_string(&file).unwrap());
        for import in imports(&code) {
            let within = |allowed: &str| import == allowed || import.starts_with(&format!("{allowed}::"));
            if !within(layer) && !allowed.iter().any(|allowed| within(allowed)) {
                faults.push(format!("{}: `crate::{import}` is not for `{layer}`", name.display()));
            }
        }
        if climbs(&code) >= depth(name) {
            faults.push(format!("{}: `super::` leads out of the layer", name.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What the lab, the examiner, may name of the library: nothing that knows a rule which it examines.
const OF_THE_LAB: &[&str] = &[
    "error::Section",
    "frame::LengthForm",
    "frame::MAX_HEADER",
    "frame::MaskKey",
    "frame::Parsed",
    "frame::RawHeader",
    "handshake::Head",
    "handshake::HeadLimits",
    "handshake::HeadReader",
    "handshake::HttpVersion",
    // Keeps foreign pages away from the listener, and examines nobody.
    "handshake::OriginPolicy",
    "handshake::Progress",
    "handshake::StartLine",
    "tls",
];

#[test]
fn the_lab_shares_no_judgement_with_what_it_examines() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/lab/src");
    let (mut faults, mut used) = (Vec::new(), Vec::new());
    for file in sources(&src) {
        let code = code(&fs::read_to_string(&file).unwrap());
        for name in named(&code, "bowsprit::") {
            match OF_THE_LAB.iter().find(|may| name == **may || name.starts_with(&format!("{may}::"))) {
                Some(may) => used.push(*may),
                None => faults.push(format!("{}: `bowsprit::{name}`", file.display())),
            }
        }
    }
    assert!(faults.is_empty(), "not for the lab:\n{}", faults.join("\n"));
    used.sort_unstable();
    used.dedup();
    let idle: Vec<_> = OF_THE_LAB.iter().filter(|may| !used.contains(may)).collect();
    assert!(idle.is_empty(), "the lab names none of {idle:?} any more");
}

#[test]
fn the_table_points_one_way() {
    for (at, (layer, allowed)) in LAYERS.iter().enumerate() {
        for import in *allowed {
            let module = import.split("::").next();
            let above = LAYERS[..at].iter().any(|(earlier, _)| Some(*earlier) == module);
            assert!(above, "`{layer}` imports `{import}`, which does not stand above it");
        }
    }
}

/// What is listed exists, and somebody uses it.
#[test]
fn the_table_lists_what_there_is() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    for (layer, allowed) in LAYERS {
        let (file, folder) = (src.join(format!("{layer}.rs")), src.join(layer));
        let mut files = if folder.is_dir() { sources(&folder) } else { Vec::new() };
        files.extend(file.is_file().then_some(file));
        if files.is_empty() {
            faults.push(format!("there is no module `{layer}`"));
        }
        let used: Vec<String> =
            files.iter().flat_map(|file| imports(&code(&fs::read_to_string(file).unwrap()))).collect();
        for may in *allowed {
            if !used.iter().any(|used| used == may || used.starts_with(&format!("{may}::"))) {
                faults.push(format!("`{layer}` does not use `{may}`"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The sources of each package. A new package needs an entry.
const PACKAGES: &[&str] = &["src", "crates/capi/src", "crates/cli/src", "crates/lab/src", "fuzz/src"];

/// No file imports, over however many others, what imports it: each can be read, tested and changed with what stands
/// below it in mind, and nothing else.
#[test]
fn no_file_imports_itself_over_others() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut faults = Vec::new();
    for package in PACKAGES {
        let graph = graph(&root.join(package));
        assert!(graph.len() > 1, "{package} has files");
        if let Some(circle) = circle(&graph) {
            faults.push(format!("{package}: {}", circle.join(" -> ")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_package_is_looked_at() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in fs::read_dir(root.join("crates")).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(
            PACKAGES.contains(&&*format!("crates/{name}/src")),
            "crates/{name} is not among the packages"
        );
    }
}

/// Files that are tables of data: they may be as long as their data are.
const TABLES: &[(&str, &str)] = &[];

/// Where a file ends to be one that is read in one go. What counts is what stands above its tests.
const LONGEST: usize = 500;

#[test]
fn no_file_is_long() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = PACKAGES.iter().copied().chain(["benches", "examples", "fuzz"]);
    let files: BTreeSet<PathBuf> = folders.flat_map(|folder| sources(&root.join(folder))).collect();
    let mut faults = Vec::new();
    for file in &files {
        let name = file.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        let lines = above_tests(&fs::read_to_string(file).unwrap()).lines().count();
        match (lines > LONGEST, TABLES.iter().any(|(table, _)| *table == name)) {
            (true, false) => {
                faults.push(format!("{name} has {lines} lines without its tests: it is two files"))
            }
            (false, true) => faults.push(format!("{name} has {lines} lines: it is no exception any more")),
            _ => {}
        }
    }
    for (table, reason) in TABLES {
        if reason.is_empty() || !files.contains(&root.join(table)) {
            faults.push(format!("{table} is a file that does not exist, or an exception without a reason"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The public types that are not to grow, or whose growth is to stop the compiler of who uses them; everything else is
/// `#[non_exhaustive]`.
const CLOSED: &[(&str, &[&str])] = &[
    (
        "an RFC closes it",
        &[
            "close::CloseReason",
            "close::OwnedClose",
            "connection::closing::CloseFrames",
            "connection::closing::CloseStep",
            "connection::outcome::CloseFrame",
            "extension::deflate::params::DeflateParams",
            "extension::deflate::settings::Half",
            "frame::decoder::Part",
            "frame::header::Control",
            "frame::header::DataKind",
            "frame::header::Kind",
            "frame::raw::LengthForm",
            "frame::raw::RawHeader",
            "handshake::head::HttpVersion",
            "handshake::head::StartLine",
            "message::Message",
            "role::Role",
        ],
    ),
    (
        "the grammar of another program, or of ours, closes it",
        &[
            "backplane::envelope::Envelope",
            "backplane::envelope::Kind",
            "backplane::envelope::Mark",
            "backplane::grammar::nats::Said",
            "backplane::grammar::resp::Value",
            "backplane::position::Position",
        ],
    ),
    (
        "a caller has to answer every case",
        &[
            "backplane::grammar::nats::Parsed",
            "backplane::grammar::resp::Parsed",
            "backplane::link::event::Incoming",
            "client::reconnect::Next",
            "connection::inbound::Event",
            "connection::inbound::MessageProgress",
            "frame::raw::Parsed",
            "handshake::head_reader::Progress",
            "handshake::request::Incoming",
        ],
    ),
    (
        "a caller has to think of every rule",
        &["frame::header::Rules", "http2::client_stream::Chosen", "message::assembler::Limits"],
    ),
    ("a token bucket is two numbers", &["event_loop::bucket::Allowance", "event_loop::limits::AcceptRate"]),
    ("its parts are borrowed one by one", &["connection::Connection"]),
    (
        "says what has happened, and a test of a handler writes it out",
        &[
            "backplane::link::event::NodeMessage",
            "connection::inbound::Chunk",
            "connection::outcome::Outcome",
            "event_loop::ended::Ended",
            "event_loop::readiness::Readiness",
            "event_loop::timers::Timer",
            "handshake::agreement::Agreement",
            "message::assembler::Passed",
        ],
    ),
    (
        "stands in where there is no deflate, and has no case",
        &[
            "extension::no_deflate::DeflateAnswerError",
            "extension::no_deflate::DeflateConfig",
            "extension::no_deflate::DeflateParams",
        ],
    ),
];

#[test]
fn what_may_grow_says_so() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut faults, mut closed) = (Vec::new(), BTreeSet::new());
    for file in sources(&src) {
        let module = module(&src, &file);
        let code = code(&fs::read_to_string(&file).unwrap());
        closed.extend(open_types(&code).iter().map(|name| join(&module, name)));
    }
    assert!(closed.len() > 20, "the types are where they are looked for");
    for (reason, types) in CLOSED {
        for name in *types {
            if !closed.remove(*name) {
                faults.push(format!("{name} ({reason}) is not there, or says that it may grow"));
            }
        }
    }
    faults.extend(
        closed.iter().map(|name| format!("{name} is to be #[non_exhaustive], or to stand in the list")),
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The public enums, and the structs all of whose fields are public and have names, that are not `#[non_exhaustive]`.
fn open_types(code: &str) -> Vec<&str> {
    let (mut found, mut is_marked) = (Vec::new(), false);
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        is_marked |= line == "#[non_exhaustive]";
        if line.is_empty() || line.starts_with(['#', ' ', ')']) {
            continue; // an attribute or what stands inside
        }
        let marked = std::mem::take(&mut is_marked);
        let Some((kind, rest)) = line.strip_prefix("pub ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
        let is_open = match kind {
            "enum" => true,
            "struct" if line.ends_with('{') => {
                let inside = lines.by_ref().take_while(|line| *line != "}");
                let is_field = |line: &&str| {
                    line.strip_prefix("    ")
                        .is_some_and(|field| field.starts_with(|c: char| c.is_alphabetic()))
                };
                let fields: Vec<_> = inside.filter(is_field).collect();
                !fields.is_empty() && fields.iter().all(|field| field.starts_with("    pub "))
            }
            _ => false,
        };
        if is_open && !marked {
            found.push(name);
        }
    }
    found
}

#[test]
fn open_types_are_found() {
    for (code, expected) in [
        ("pub enum A {\n    B,\n}\npub(crate) enum C {}\nenum D {}", &["A"][..]),
        (
            "#[derive(Debug)]\n#[non_exhaustive]\npub enum A {\n}\n#[derive(Debug)]\npub enum B<T> {\n}",
            &["B"],
        ),
        ("pub struct A<'a> {\n    #[x]\n    pub a: &'a str,\n    pub b: u8,\n}", &["A"]),
        ("pub struct A {\n    pub a: u8,\n    b: u8,\n}\npub struct B;\npub struct C(pub u8);", &[]),
        ("#[non_exhaustive]\npub struct A {\n    pub a: u8,\n}\npub struct B {\n    pub a: u8,\n}", &["B"]),
    ] {
        assert_eq!(open_types(code), expected, "{code}");
    }
}

/// The modules below a folder, each with those that its file imports. The folder's own module is named by an empty
/// path.
fn graph(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let files: Vec<_> = sources(folder)
        .into_iter()
        .map(|file| (module(folder, &file), code(&fs::read_to_string(&file).unwrap())))
        .collect();
    graph_of(&files)
}

/// The module of a file.
fn module(folder: &Path, file: &Path) -> String {
    let name = file.strip_prefix(folder).unwrap().with_extension("");
    let mut parts: Vec<_> = name.iter().map(|part| part.to_str().unwrap()).collect();
    parts.pop_if(|last| ["mod", "lib", "main"].contains(last));
    parts.join("::")
}

/// The same of modules and their code.
fn graph_of(files: &[(String, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let modules: BTreeSet<String> = files.iter().map(|(module, _)| module.clone()).collect();
    // What a module shows under its own name, and what that is. To show is not to import.
    let mut shown = BTreeMap::new();
    let mut used = BTreeMap::<String, Vec<String>>::new();
    for (own, code) in files {
        let (exports, rest) = exports(code);
        for path in exports.iter().flat_map(|export| paths(export, own, &modules)) {
            let name = path.rsplit("::").next().unwrap().to_owned();
            shown.insert(join(own, &name), path);
        }
        used.insert(own.clone(), paths(&rest, own, &modules));
    }
    let resolve = |path: &String| {
        let mut path = path.clone();
        // Bounded, as a module might show itself.
        for _ in 0..8 {
            let Some((name, is)) = shown.iter().find(|(name, is)| {
                **is != path && (path == **name || path.starts_with(&format!("{name}::")))
            }) else {
                break;
            };
            path = format!("{is}{}", &path[name.len()..]);
        }
        longest(&path, &modules)
    };
    used.iter()
        .map(|(own, paths)| (own.clone(), paths.iter().map(resolve).filter(|used| used != own).collect()))
        .collect()
}

/// The `pub use` statements, and the code without them.
fn exports(code: &str) -> (Vec<String>, String) {
    let (mut exports, mut kept) = (Vec::new(), String::new());
    for statement in code.split_inclusive(';') {
        let visibility = statement.rfind("\npub").map_or(0, |at| at + 1);
        let (front, back) = statement.split_at(visibility);
        let is_export = back.strip_prefix("pub").is_some_and(|rest| {
            let rest =
                rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |(_, rest)| rest);
            rest.starts_with(" use ")
        });
        if is_export {
            kept.push_str(front);
            exports.push(back.to_owned());
        } else {
            kept.push_str(statement);
        }
    }
    (exports, kept)
}

/// All paths in `code`, which is that of module `own`, as seen from the root of its package.
fn paths(code: &str, own: &str, modules: &BTreeSet<String>) -> Vec<String> {
    let from = |up: usize| {
        let mut parts: Vec<&str> = own.split("::").filter(|part| !part.is_empty()).collect();
        parts.truncate(parts.len().saturating_sub(up));
        parts.join("::")
    };
    // Where it may be seen is no import.
    let visible = code.split("pub(in ").enumerate();
    let code: String = visible
        .map(|(at, part)| if at == 0 { part } else { part.split_once(')').map_or("", |(_, rest)| rest) })
        .collect();
    let begins = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    let (mut found, mut end) = (Vec::new(), 0);
    for (at, _) in code.match_indices("super::").filter(|(at, _)| begins(*at)) {
        if at < end {
            continue; // read with the group that it stands in
        }
        let up = code[at..].split("::").take_while(|part| *part == "super").count();
        let mut read = Vec::new();
        end = code.len() - tree(&code[at + up * "super::".len()..], "", &mut read).len();
        for path in read {
            // `super::{super::x}`
            let more = path.split("::").take_while(|part| *part == "super").count();
            let path: Vec<_> = path.split("::").skip(more).collect();
            found.push(join(&from(up + more), &path.join("::")));
        }
    }
    found.extend(imports(&code));
    // `child::Name`, which needs no `self`.
    let children = modules.iter().filter(|module| parent(module) == Some(own));
    for child in children {
        let start = format!("{}::", child.rsplit("::").next().unwrap());
        for (at, _) in code.match_indices(&start).filter(|(at, _)| begins(*at)) {
            let mut read = Vec::new();
            tree(&code[at..], "", &mut read);
            found.extend(read.iter().map(|path| join(own, path)));
        }
    }
    found
}

/// The module that a module stands in; the root stands in none.
fn parent(module: &str) -> Option<&str> {
    (!module.is_empty()).then(|| module.rsplit_once("::").map_or("", |(parent, _)| parent))
}

fn join(module: &str, path: &str) -> String {
    match (module, path) {
        ("", path) | (path, "") => path.to_owned(),
        _ => format!("{module}::{path}"),
    }
}

/// The module that a path leads into: the longest one that is its beginning.
fn longest(path: &str, modules: &BTreeSet<String>) -> String {
    let mut path = path;
    while !path.is_empty() && !modules.contains(path) {
        path = parent(path).unwrap_or("");
    }
    path.to_owned()
}

/// A way from a module back to itself, if there is one.
fn circle(graph: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<&str>> {
    fn walk<'a>(
        graph: &'a BTreeMap<String, BTreeSet<String>>,
        at: &'a str,
        way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> bool {
        if let Some(start) = way.iter().position(|module| *module == at) {
            way.drain(..start);
            way.push(at);
            return true;
        }
        if !done.insert(at) {
            return false;
        }
        way.push(at);
        let found = graph.get(at).into_iter().flatten().any(|next| walk(graph, next, way, done));
        if !found {
            way.pop();
        }
        found
    }
    let (mut way, mut done) = (Vec::new(), BTreeSet::new());
    graph.keys().any(|module| walk(graph, module, &mut way, &mut done)).then_some(way)
}

#[test]
fn circles_are_found() {
    let graph = |edges: &[(&str, &str)]| {
        let mut graph = BTreeMap::<String, BTreeSet<String>>::new();
        for (from, to) in edges {
            graph.entry((*from).into()).or_default().insert((*to).into());
        }
        graph
    };
    assert_eq!(circle(&graph(&[("a", "b"), ("a", "c"), ("b", "c"), ("c", "d")])), None);
    let round = graph(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")]);
    assert_eq!(circle(&round), Some(vec!["b", "c", "d", "b"]));
    let modules: BTreeSet<String> = ["", "a", "b", "d", "x", "x::a", "x::b"].map(str::to_owned).into();
    for (code, own, expected) in [
        ("use super::b::{C, D};", "a", &["b::C", "b::D"][..]),
        ("use super::super::b::C;", "x::a", &["b::C"]),
        ("use super::b::C;", "x::a", &["x::b::C"]),
        ("use super::{C, super::b::D};", "x::a", &["x::C", "b::D"]),
        ("use crate::b::C; fn f(_: super::d::E) {}", "a", &["d::E", "b::C"]),
        ("\nuse b::C; fn f() { a::g() }", "x", &["x::a::g", "x::b::C"]),
        ("pub(in crate::b) fn f() {}", "x", &[]),
    ] {
        assert_eq!(paths(code, own, &modules), expected, "{code}");
    }
    let file = |module: &str, code: &str| (module.to_owned(), code.to_owned());
    // One that is hidden: `x` shows what its files import of each other.
    let hidden = graph_of(&[
        file("", "mod x;"),
        file("x", "mod a;\nmod b;\npub use a::A;\npub(crate) use b::B;"),
        file("x::a", "use super::B;"),
        file("x::b", "use super::A;"),
    ]);
    assert_eq!(circle(&hidden), Some(vec!["x::a", "x::b", "x::a"]));
    let shown = exports("x\npub use a::{b,\nc};\npub(super) use d;\nuse e;\npub struct F;");
    assert_eq!(shown.1, "x\n\n\nuse e;\npub struct F;");
}

#[test]
fn tests_do_not_count() {
    assert_eq!(above_tests("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), "a\nb");
    assert_eq!(above_tests("a\n#[cfg(all(test, x))]\n#[y]\nmod tests {\n}\n"), "a");
    assert_eq!(above_tests("a\n#[cfg(test)]\nmod tests;\nb"), "a\n#[cfg(test)]\nmod tests;\nb");
    assert_eq!(above_tests("a\n#[cfg(test)]\nfn f() {}\nb"), "a\n#[cfg(test)]\nfn f() {}\nb");
}

#[test]
fn imports_are_read() {
    for (code, expected) in [
        ("use crate::role::Role;", &["role::Role"][..]),
        ("use crate::{role::Role, utf8};", &["role::Role", "utf8"]),
        ("use crate::a::{self, b::{C, D}, E as F};", &["a::self", "a::b::C", "a::b::D", "a::E"]),
        ("use crate::a::{\n    B,\n    c::*,\n};", &["a::B", "a::c"]),
        ("pub(crate) fn f(x: crate::a::B) -> crate::c::D::<u8> { crate::e() }", &["a::B", "c::D", "e"]),
    ] {
        assert_eq!(imports(code), expected, "{code}");
    }
    let code =
        code("/// [`x`](crate::a)\nuse crate::b; // crate::c\n#[cfg(test)]\nmod tests { use crate::d; }");
    assert_eq!(imports(&code), ["b"]);
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The source without the tests at its end.
fn above_tests(source: &str) -> &str {
    let Some((above, _)) = source.split_once("\nmod tests {") else { return source };
    let mut above = above;
    while let Some((front, _)) = above.rsplit_once('\n').filter(|(_, last)| last.starts_with("#[")) {
        above = front;
    }
    above
}

/// The source without its comments and without the tests at its end.
fn code(source: &str) -> String {
    above_tests(source).lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The longest run of `super::`.
fn climbs(code: &str) -> usize {
    let mut steps = 1;
    while code.contains(&"super::".repeat(steps)) {
        steps += 1;
    }
    steps - 1
}

/// How many modules deep the code in this file is, its layer being the first.
fn depth(file: &Path) -> usize {
    file.iter().count() - usize::from(file.ends_with("mod.rs"))
}

/// All paths that start with `crate::`, each in full and without that start.
fn imports(code: &str) -> Vec<String> {
    named(code, "crate::")
}

/// All paths that begin so, each in full and without that beginning.
fn named(code: &str, beginning: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, start) in code.match_indices(beginning) {
        tree(&code[at + start.len()..], "", &mut paths);
    }
    paths
}

/// Reads one path, or the paths of a group in braces, and gives what follows it.
fn tree<'a>(code: &'a str, prefix: &str, paths: &mut Vec<String>) -> &'a str {
    let code = code.trim_start();
    if let Some(mut rest) = code.strip_prefix('{') {
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            rest = tree(rest, prefix, paths);
            rest = rest.trim_start_matches(|c| c != ',' && c != '}'); // such as `as Name`
            if rest.is_empty() {
                return rest;
            }
        }
    }
    let end = code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len());
    let (name, rest) = code.split_at(end);
    if name.is_empty() {
        paths.push(prefix.to_owned()); // a glob, or generic arguments
        return rest;
    }
    let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
    match rest.strip_prefix("::") {
        Some(rest) => tree(rest, &path, paths),
        None => {
            paths.push(path);
            rest
        }
    }
}
