//! The format of the Autobahn suite's `index.json`, for scripts written for it.

use serde_json::{Map, Value, json};

use super::json::Report;
use crate::escape::Json;
use crate::judge::Behaviour;

/// Writes `index.json`: agent, then case, then its verdicts. `reportfile` names a file that is not written.
pub fn index(report: &Report) -> Json {
    let mut agents = Map::new();
    for run in &report.runs {
        let mut cases = Map::new();
        for case in &run.cases {
            // The suite knows five verdicts.
            let behaviour = match case.behaviour {
                Behaviour::NotPlayed | Behaviour::NotReached | Behaviour::NotApplicable => continue,
                Behaviour::Muddled => Behaviour::Ok,
                Behaviour::Late | Behaviour::Refused | Behaviour::Hung | Behaviour::Crashed => {
                    Behaviour::Failed
                }
                known @ (Behaviour::Ok
                | Behaviour::NonStrict
                | Behaviour::Informational
                | Behaviour::Unimplemented
                | Behaviour::Failed) => known,
                // The suite does not examine proxies.
                Behaviour::Transparent
                | Behaviour::Repaired
                | Behaviour::Altered
                | Behaviour::Lost
                | Behaviour::Unsafe => continue,
            };
            let file = format!("{}_case_{}.json", file_name(&run.agent), case.id.replace('.', "_"));
            let verdicts = json!({
                "behavior": behaviour,
                "behaviorClose": case.close,
                "duration": case.duration_ms,
                "remoteCloseCode": case.close_code,
                "reportfile": file,
            });
            cases.insert(case.id.clone(), verdicts);
        }
        agents.insert(run.agent.clone(), Value::Object(cases));
    }
    // Nothing in here can fail to be written: all keys are strings.
    Json::pretty(&agents).unwrap_or_default()
}

/// Converts a name as the suite does: lower-case letters and digits, everything else an underscore.
fn file_name(agent: &str) -> String {
    let text: String = agent
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { ' ' })
        .collect();
    text.trim().replace(' ', "_")
}
