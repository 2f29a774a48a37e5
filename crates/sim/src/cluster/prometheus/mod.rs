//! A Prometheus in the cluster: scrapes what it serves, and answers the HTTP API v1 from what it scraped.
mod eval;
mod scrape;
mod tsdb;

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::wire::request::decode;
use crate::scenario::format::Serves;

use super::engine::{Engine, Timer};
use super::node_http::Reply;
use eval::{Eval, Vector};
pub(super) use tsdb::Tsdb;

/// The port that Prometheus listens on.
pub(super) const PORT: u16 = 9090;
/// The scrape interval, and that of the replayed history.
const INTERVAL: Duration = Duration::from_secs(15);
const REPLAYED: Duration = Duration::from_secs(60);
/// How much of the history is scraped.
const HISTORY: Duration = Duration::from_secs(6 * 3600);
/// Prometheus refuses a range of more points than this.
const MOST_POINTS: i64 = 11_000;

impl Engine {
    /// Schedules the scrapes of the replayed history, where the scenario has a Prometheus.
    pub(super) fn plan_scrapes(&mut self, birth: Timestamp, zero: Timestamp) {
        if !self.behaviours.iter().any(|b| b.serves == Some(Serves::Prometheus)) {
            return;
        }
        let mut at = zero.checked_sub(HISTORY).unwrap_or(birth).max(birth);
        while at <= zero {
            self.at(at, Timer::Scrape);
            at = at.checked_add(REPLAYED).unwrap_or(Timestamp::MAX);
        }
    }

    /// Takes one scrape, if a Prometheus runs, and plans the next.
    pub(super) fn scrape(&mut self) {
        let runs = self.runs.values().flat_map(|r| &r.containers).any(|c| {
            c.running() && c.run.as_ref().is_some_and(|r| r.behaviour.serves == Some(Serves::Prometheus))
        });
        if runs {
            let samples = scrape::all(self);
            let now = self.now();
            self.tsdb.append(now.as_millisecond(), samples);
        }
        if !self.replaying {
            self.after(INTERVAL, Timer::Scrape);
        }
    }
}

/// The answer of the API to a path with its query.
pub(super) fn answer(engine: &Engine, path: &str) -> Reply {
    let (page, query) = path.split_once('?').unwrap_or((path, ""));
    let parameter = |name: &str| {
        let mut all = query.split('&').filter_map(|p| p.split_once('='));
        all.find(|(n, _)| *n == name).map(|(_, v)| decode(v, true))
    };
    let result = match page {
        "/api/v1/query" => instant(engine, &parameter),
        "/api/v1/query_range" => range(engine, &parameter),
        "/api/v1/status/buildinfo" => {
            Ok(json!({"version": "3.7.3", "revision": "0a41f0000ab7da8ec0e4ca3a0c0e6c0d57c80c25",
            "branch": "HEAD", "buildUser": "", "buildDate": "20251030-07:26:10", "goVersion": "go1.25.3"}))
        }
        "/-/healthy" => {
            return reply(200, "text/plain; charset=utf-8", "Prometheus Server is Healthy.\n".into());
        }
        "/-/ready" => return reply(200, "text/plain; charset=utf-8", "Prometheus Server is Ready.\n".into()),
        _ => return reply(404, "text/plain; charset=utf-8", "404 page not found\n".into()),
    };
    match result {
        Ok(data) => reply(200, "application/json", json!({"status": "success", "data": data}).to_string()),
        Err(Refused { status, kind, error }) => {
            let body = json!({"status": "error", "errorType": kind, "error": error});
            reply(status, "application/json", body.to_string())
        }
    }
}

fn reply(status: u16, content_type: &str, body: String) -> Reply {
    Reply { status, content_type: content_type.to_owned(), body: Bytes::from(body), latency: Duration::ZERO }
}

/// An error of the API.
struct Refused {
    status: u16,
    kind: &'static str,
    error: String,
}

fn bad(name: &str, why: &str) -> Refused {
    Refused { status: 400, kind: "bad_data", error: format!("invalid parameter {name:?}: {why}") }
}

fn unexecuted(error: String) -> Refused {
    Refused { status: 422, kind: "execution", error }
}

fn parse(parameter: &dyn Fn(&str) -> Option<String>) -> Result<promql_parser::parser::Expr, Refused> {
    let query = parameter("query").unwrap_or_default();
    if query.trim().is_empty() {
        return Err(bad("query", "unknown position: parse error: no expression found in input"));
    }
    promql_parser::parser::parse(&query).map_err(|e| bad("query", &format!("1:1: parse error: {e}")))
}

/// A time as the API takes it, seconds or RFC 3339, in milliseconds.
fn time(text: &str) -> Option<i64> {
    let seconds = text.parse::<f64>().ok().filter(|s| s.is_finite());
    seconds
        .map(|s| (s * 1000.0) as i64)
        .or_else(|| text.parse::<Timestamp>().ok().map(|t| t.as_millisecond()))
}

fn instant(engine: &Engine, parameter: &dyn Fn(&str) -> Option<String>) -> Result<Value, Refused> {
    let expression = parse(parameter)?;
    let at = match parameter("time") {
        Some(text) => {
            time(&text).ok_or_else(|| bad("time", &format!("cannot parse {text:?} to a valid timestamp")))?
        }
        None => engine.now().as_millisecond(),
    };
    let eval = Eval { db: &engine.tsdb, at, start: at, end: at };
    match eval.value(&expression).map_err(unexecuted)? {
        eval::Value::Scalar(v) => Ok(json!({"resultType": "scalar", "result": point(at, v)})),
        eval::Value::Vector(vector) => {
            let result: Vec<Value> = vector
                .into_iter()
                .map(|(labels, v)| json!({"metric": labels, "value": point(at, v)}))
                .collect();
            Ok(json!({"resultType": "vector", "result": result}))
        }
        eval::Value::Matrix(matrix) => {
            let result: Vec<Value> = matrix
                .into_iter()
                .map(|(labels, points)| {
                    let values: Vec<Value> = points.iter().map(|(t, v)| point(*t, *v)).collect();
                    json!({"metric": labels, "values": values})
                })
                .collect();
            Ok(json!({"resultType": "matrix", "result": result}))
        }
    }
}

fn range(engine: &Engine, parameter: &dyn Fn(&str) -> Option<String>) -> Result<Value, Refused> {
    let expression = parse(parameter)?;
    let moment = |name: &str| {
        let text = parameter(name).unwrap_or_default();
        time(&text).ok_or_else(|| bad(name, &format!("cannot parse {text:?} to a valid timestamp")))
    };
    let (start, end) = (moment("start")?, moment("end")?);
    if end < start {
        return Err(bad("end", "end timestamp must not be before start time"));
    }
    let step = parameter("step").unwrap_or_default();
    let step = (time(&step)
        .ok_or_else(|| bad("step", &format!("cannot parse {step:?} to a valid duration")))?)
    .max(0);
    if step == 0 {
        return Err(bad(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    if (end - start) / step > MOST_POINTS {
        let error = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)";
        return Err(Refused { status: 400, kind: "bad_data", error: error.to_owned() });
    }
    let mut series: std::collections::BTreeMap<tsdb::Labels, Vec<Value>> = std::collections::BTreeMap::new();
    let mut at = start;
    while at <= end {
        let eval = Eval { db: &engine.tsdb, at, start, end };
        let vector: Vector = match eval.value(&expression).map_err(unexecuted)? {
            eval::Value::Scalar(v) => vec![(tsdb::Labels::new(), v)],
            eval::Value::Vector(vector) => vector,
            eval::Value::Matrix(_) => {
                let error = "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector";
                return Err(Refused { status: 400, kind: "bad_data", error: error.to_owned() });
            }
        };
        for (labels, v) in vector {
            series.entry(labels).or_default().push(point(at, v));
        }
        at += step;
    }
    let result: Vec<Value> =
        series.into_iter().map(|(labels, values)| json!({"metric": labels, "values": values})).collect();
    Ok(json!({"resultType": "matrix", "result": result}))
}

/// A point as the API writes it: seconds, and the number as text.
fn point(at: i64, value: f64) -> Value {
    let text = match value {
        v if v.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        v => v.to_string(),
    };
    json!([at as f64 / 1000.0, text])
}
