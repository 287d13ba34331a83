//! A run as text, JSON, Autobahn's `index.json`, JUnit XML, Markdown, HTML, SARIF and annotations.

pub mod annotations;
pub mod autobahn;
mod causes;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
mod run;
pub mod sarif;
pub mod text;
mod verdict;

pub use run::{Deny, Outcome, Run};
pub use text::Style;
pub use verdict::{behaviours, closes};
