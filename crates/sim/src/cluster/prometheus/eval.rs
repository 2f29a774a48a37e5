//! Evaluates PromQL: selectors, aggregations, binary operators, the usual functions. What it does not know is an error.
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use promql_parser::parser::{
    AggregateExpr, AtModifier, BinaryExpr, Call, Expr, LabelModifier, MatrixSelector, Offset, VectorSelector,
};

use super::tsdb::{Labels, Tsdb};

/// An instant vector.
pub type Vector = Vec<(Labels, f64)>;
type Matrix = Vec<(Labels, Vec<(i64, f64)>)>;

/// The result of an expression.
#[derive(Debug, PartialEq)]
pub enum Value {
    Scalar(f64),
    Vector(Vector),
    Matrix(Matrix),
}

/// An evaluation at one moment of a query, in milliseconds.
#[derive(Clone, Copy)]
pub struct Eval<'a> {
    pub db: &'a Tsdb,
    pub at: i64,
    /// The ends of the query's range, for the modifier `@`.
    pub start: i64,
    pub end: i64,
}

const NAME: &str = "__name__";

fn millis(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}

fn nameless(mut labels: Labels) -> Labels {
    labels.remove(NAME);
    labels
}

impl Eval<'_> {
    /// The value of an expression.
    ///
    /// # Errors
    /// A part of the language that is not built, or operands that do not fit.
    pub fn value(&self, expression: &Expr) -> Result<Value, String> {
        match expression {
            Expr::NumberLiteral(n) => Ok(Value::Scalar(n.val)),
            Expr::Paren(p) => self.value(&p.expr),
            Expr::VectorSelector(s) => self.instant(s).map(Value::Vector),
            Expr::MatrixSelector(s) => self.range(s).map(Value::Matrix),
            Expr::Aggregate(a) => self.aggregate(a).map(Value::Vector),
            Expr::Call(c) => self.call(c),
            Expr::Binary(b) => self.binary(b),
            Expr::Unary(u) => match self.value(&u.expr)? {
                Value::Scalar(v) => Ok(Value::Scalar(-v)),
                Value::Vector(v) => {
                    Ok(Value::Vector(v.into_iter().map(|(l, v)| (nameless(l), -v)).collect()))
                }
                Value::Matrix(_) => Err("unary minus of a range vector".to_owned()),
            },
            other => Err(format!("this Prometheus does not evaluate {other}")),
        }
    }

    fn vector(&self, expression: &Expr) -> Result<Vector, String> {
        match self.value(expression)? {
            Value::Vector(v) => Ok(v),
            _ => Err(format!("expected an instant vector, got {expression}")),
        }
    }

    /// The moment that a selector means.
    fn moment(&self, s: &VectorSelector) -> i64 {
        let at = match &s.at {
            None => self.at,
            Some(AtModifier::Start) => self.start,
            Some(AtModifier::End) => self.end,
            Some(AtModifier::At(t)) => t.duration_since(UNIX_EPOCH).map_or(0, millis),
        };
        match &s.offset {
            None => at,
            Some(Offset::Pos(d)) => at - millis(*d),
            Some(Offset::Neg(d)) => at + millis(*d),
        }
    }

    fn selected<'s>(
        &'s self,
        s: &'s VectorSelector,
    ) -> Result<impl Iterator<Item = (&'s Labels, &'s super::tsdb::Samples)>, String> {
        if !s.matchers.or_matchers.is_empty() {
            return Err("this Prometheus does not evaluate `or` between matchers".to_owned());
        }
        let value = |labels: &Labels, name: &str| labels.get(name).cloned().unwrap_or_default();
        Ok(self.db.select(move |labels| {
            s.name.as_ref().is_none_or(|name| labels.get(NAME) == Some(name))
                && s.matchers.matchers.iter().all(|m| m.is_match(&value(labels, &m.name)))
        }))
    }

    fn instant(&self, s: &VectorSelector) -> Result<Vector, String> {
        let at = self.moment(s);
        Ok(self.selected(s)?.filter_map(|(l, samples)| Some((l.clone(), Tsdb::at(samples, at)?))).collect())
    }

    fn range(&self, s: &MatrixSelector) -> Result<Matrix, String> {
        let to = self.moment(&s.vs);
        let from = to - millis(s.range);
        let all = self.selected(&s.vs)?.map(|(l, samples)| (l.clone(), Tsdb::between(samples, from, to)));
        Ok(all.filter(|(_, points)| !points.is_empty()).collect())
    }

    fn call(&self, c: &Call) -> Result<Value, String> {
        let argument =
            |i: usize| c.args.args.get(i).ok_or_else(|| format!("{} lacks an argument", c.func.name));
        let name = c.func.name;
        if name == "histogram_quantile" {
            let Value::Scalar(q) = self.value(argument(0)?)? else {
                return Err("the quantile is no number".into());
            };
            return Ok(Value::Vector(quantiles(q, self.vector(argument(1)?)?)));
        }
        let Expr::MatrixSelector(selector) = &**argument(0)? else {
            return Err(format!("this Prometheus does not evaluate {name}"));
        };
        let (to, length) = (self.moment(&selector.vs), millis(selector.range));
        let over = |f: fn(&[(i64, f64)]) -> f64| {
            let f = move |points: &[(i64, f64)]| (!points.is_empty()).then(|| f(points));
            Box::new(f) as Box<dyn Fn(&[(i64, f64)]) -> Option<f64>>
        };
        let counted = |counter: bool, per_second: bool| {
            let f = move |points: &[(i64, f64)]| increase(points, to - length, to, counter, per_second);
            Box::new(f) as Box<dyn Fn(&[(i64, f64)]) -> Option<f64>>
        };
        let sum = |points: &[(i64, f64)]| points.iter().map(|p| p.1).sum::<f64>();
        let f = match name {
            "rate" => counted(true, true),
            "increase" => counted(true, false),
            "delta" => counted(false, false),
            "deriv" => Box::new(slope),
            "avg_over_time" => over(|p| p.iter().map(|p| p.1).sum::<f64>() / p.len() as f64),
            "sum_over_time" => Box::new(move |p: &[(i64, f64)]| Some(sum(p))),
            "max_over_time" => over(|p| p.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max)),
            "min_over_time" => over(|p| p.iter().map(|p| p.1).fold(f64::INFINITY, f64::min)),
            "count_over_time" => over(|p| p.len() as f64),
            _ => return Err(format!("this Prometheus does not evaluate {name}")),
        };
        let matrix = self.range(selector)?;
        let values = matrix.into_iter().filter_map(|(l, points)| Some((nameless(l), f(&points)?)));
        Ok(Value::Vector(values.collect()))
    }

    fn aggregate(&self, a: &AggregateExpr) -> Result<Vector, String> {
        let vector = self.vector(&a.expr)?;
        let op = a.op.to_string();
        let mut groups: BTreeMap<Labels, Vector> = BTreeMap::new();
        for (labels, value) in vector {
            groups.entry(kept(&labels, a.modifier.as_ref(), false)).or_default().push((labels, value));
        }
        if matches!(op.as_str(), "topk" | "bottomk") {
            let parameter = a.param.as_ref().ok_or("topk lacks its number")?;
            let Value::Scalar(k) = self.value(parameter)? else { return Err("k is no number".into()) };
            let all = groups.into_values().flat_map(|mut group| {
                group.sort_by(|(_, a), (_, b)| if op == "topk" { b.total_cmp(a) } else { a.total_cmp(b) });
                group.truncate(k.max(0.0) as usize);
                group
            });
            return Ok(all.collect());
        }
        let total = |g: &Vector| g.iter().map(|(_, v)| v).sum::<f64>();
        let f: Box<dyn Fn(&Vector) -> f64> = match op.as_str() {
            "sum" => Box::new(total),
            "avg" => Box::new(move |g| total(g) / g.len() as f64),
            "count" => Box::new(|g| g.len() as f64),
            "max" => Box::new(|g| g.iter().map(|(_, v)| *v).fold(f64::NEG_INFINITY, f64::max)),
            "min" => Box::new(|g| g.iter().map(|(_, v)| *v).fold(f64::INFINITY, f64::min)),
            _ => return Err(format!("this Prometheus does not evaluate {op}")),
        };
        Ok(groups.into_iter().map(|(labels, group)| (labels, f(&group))).collect())
    }

    fn binary(&self, b: &BinaryExpr) -> Result<Value, String> {
        let op = b.op.to_string();
        let (left, right) = (self.value(&b.lhs)?, self.value(&b.rhs)?);
        let matching = b.modifier.as_ref().and_then(|m| m.matching.as_ref());
        match (left, right) {
            (Value::Scalar(l), Value::Scalar(r)) => {
                combine(&op, l, r).map(Value::Scalar).ok_or_else(|| format!("no value of {l} {op} {r}"))
            }
            (Value::Vector(l), Value::Scalar(r)) => Ok(Value::Vector(with(&op, l, |v| combine(&op, v, r)))),
            (Value::Scalar(l), Value::Vector(r)) => Ok(Value::Vector(with(&op, r, |v| combine(&op, l, v)))),
            (Value::Vector(l), Value::Vector(r)) => {
                use promql_parser::parser::VectorMatchCardinality::{ManyToOne, OneToMany};
                if b.modifier.as_ref().is_some_and(|m| matches!(m.card, ManyToOne(_) | OneToMany(_))) {
                    return Err("this Prometheus does not evaluate group_left and group_right".to_owned());
                }
                both(&op, l, &r, matching).map(Value::Vector)
            }
            _ => Err(format!("{op} of a range vector")),
        }
    }
}

/// The labels that a grouping or matching keeps. Without a modifier an aggregation keeps none, a match all.
fn kept(labels: &Labels, modifier: Option<&LabelModifier>, all: bool) -> Labels {
    let keeps = |name: &String| match modifier {
        None => all && name != NAME,
        Some(LabelModifier::Include(names)) => names.labels.contains(name),
        Some(LabelModifier::Exclude(names)) => name != NAME && !names.labels.contains(name),
    };
    labels.iter().filter(|(name, _)| keeps(name)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// The result of an arithmetic operator; of a comparison the left side where it holds.
fn combine(op: &str, l: f64, r: f64) -> Option<f64> {
    let holds = |yes: bool| yes.then_some(l);
    match op {
        "+" => Some(l + r),
        "-" => Some(l - r),
        "*" => Some(l * r),
        "/" => Some(l / r),
        "%" => Some(l % r),
        "^" => Some(l.powf(r)),
        ">" => holds(l > r),
        "<" => holds(l < r),
        ">=" => holds(l >= r),
        "<=" => holds(l <= r),
        "==" => holds(l == r),
        "!=" => holds(l != r),
        _ => None,
    }
}

fn compares(op: &str) -> bool {
    matches!(op, ">" | "<" | ">=" | "<=" | "==" | "!=")
}

fn with(op: &str, vector: Vector, f: impl Fn(f64) -> Option<f64>) -> Vector {
    let named = |l: Labels| if compares(op) { l } else { nameless(l) };
    // A comparison keeps the vector's own value.
    vector
        .into_iter()
        .filter_map(|(l, v)| f(v).map(|result| (named(l), if compares(op) { v } else { result })))
        .collect()
}

fn both(op: &str, left: Vector, right: &Vector, matching: Option<&LabelModifier>) -> Result<Vector, String> {
    let mut others: BTreeMap<Labels, f64> = BTreeMap::new();
    for (labels, value) in right {
        let key = kept(labels, matching, true);
        if others.insert(key, *value).is_some() && !matches!(op, "and" | "or" | "unless") {
            return Err("found duplicate series for the match group on the right hand-side of the operation"
                .to_owned());
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut out = Vector::new();
    for (labels, value) in left {
        let key = kept(&labels, matching, true);
        let other = others.get(&key);
        match op {
            "and" if other.is_some() => out.push((labels, value)),
            "unless" if other.is_none() => out.push((labels, value)),
            "and" | "unless" => {}
            "or" => {
                seen.insert(key);
                out.push((labels, value));
            }
            _ => {
                let Some(result) = other.and_then(|r| combine(op, value, *r)) else { continue };
                let labels = if compares(op) { labels } else { key.clone() };
                if !seen.insert(key) {
                    return Err(
                        "multiple matches for labels: many-to-one matching must be explicit".to_owned()
                    );
                }
                out.push((labels, result));
            }
        }
    }
    if op == "or" {
        out.extend(right.iter().filter(|(l, _)| !seen.contains(&kept(l, matching, true))).cloned());
    }
    Ok(out)
}

/// `increase`, `delta` and `rate` with Prometheus's extrapolation to the ends of the range (promql/functions.go,
/// `extrapolatedRate`).
fn increase(points: &[(i64, f64)], from: i64, to: i64, counter: bool, per_second: bool) -> Option<f64> {
    let (first, last) = (points.first()?, points.last()?);
    if points.len() < 2 {
        return None;
    }
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let mut result = last.1 - first.1;
    if counter {
        // A counter that falls began again at zero.
        result += points.windows(2).filter(|w| w[1].1 < w[0].1).map(|w| w[0].1).sum::<f64>();
    }
    let sampled = seconds(last.0 - first.0);
    let average = sampled / (points.len() - 1) as f64;
    let (mut before, mut after) = (seconds(first.0 - from), seconds(to - last.0));
    let threshold = average * 1.1;
    if before >= threshold {
        before = average / 2.0;
    }
    if counter && result > 0.0 && first.1 >= 0.0 {
        before = before.min(sampled * (first.1 / result));
    }
    if after >= threshold {
        after = average / 2.0;
    }
    let factor = (sampled + before + after) / sampled;
    let range = if per_second { seconds(to - from) } else { 1.0 };
    Some(result * factor / range)
}

/// `deriv`: the slope a second of the least-squares line.
fn slope(points: &[(i64, f64)]) -> Option<f64> {
    let n = points.len() as f64;
    let start = points.first()?.0;
    let x = |p: &(i64, f64)| (p.0 - start) as f64 / 1000.0;
    let (mx, my) = (points.iter().map(x).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let over = points.iter().map(|p| (x(p) - mx) * (p.1 - my)).sum::<f64>();
    let under = points.iter().map(|p| (x(p) - mx).powi(2)).sum::<f64>();
    (under > 0.0).then(|| over / under)
}

/// `histogram_quantile`: linear within the bucket, the highest finite bound where it lies beyond.
fn quantiles(q: f64, vector: Vector) -> Vector {
    let mut groups: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for (mut labels, count) in vector {
        let Some(le) = labels.remove("le").and_then(|le| le.parse::<f64>().ok()) else { continue };
        groups.entry(nameless(labels)).or_default().push((le, count));
    }
    groups.into_iter().filter_map(|(labels, buckets)| Some((labels, quantile(q, buckets)?))).collect()
}

fn quantile(q: f64, mut buckets: Vec<(f64, f64)>) -> Option<f64> {
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (bound, total) = *buckets.last()?;
    if !bound.is_infinite() || buckets.len() < 2 {
        return Some(f64::NAN);
    }
    if total == 0.0 {
        return Some(f64::NAN);
    }
    let rank = q * total;
    let i = buckets.iter().position(|b| b.1 >= rank)?;
    if i + 1 == buckets.len() {
        return Some(buckets[i - 1].0);
    }
    let (start, before) = if i == 0 { (0.0, 0.0) } else { buckets[i - 1] };
    let (end, count) = buckets[i];
    Some(start + (end - start) * ((rank - before) / (count - before)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database with samples every 15 s of ten minutes.
    fn filled() -> Tsdb {
        let mut db = Tsdb::default();
        for i in 0..=40i64 {
            let labels = |name: &str, more: &[(&str, &str)]| {
                let mut l: Labels = more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
                l.insert(NAME.to_owned(), name.to_owned());
                l
            };
            let x = i as f64;
            let mut samples = vec![
                (labels("mem", &[("pod", "a")]), 100.0 + x),
                (labels("req", &[("pod", "a"), ("code", "200")]), x * 30.0),
                (labels("req", &[("pod", "a"), ("code", "500")]), x * 15.0),
            ];
            for (le, share) in [("0.1", 0.5), ("1", 0.9), ("10", 1.0), ("+Inf", 1.0)] {
                samples.push((labels("lat_bucket", &[("pod", "a"), ("le", le)]), x * 15.0 * share));
            }
            if i < 30 {
                samples.push((labels("mem", &[("pod", "b")]), 500.0));
            }
            db.append(i * 15_000, samples);
        }
        db
    }

    fn at(db: &Tsdb, query: &str, at: i64) -> Result<Value, String> {
        let expression = promql_parser::parser::parse(query).unwrap();
        Eval { db, at, start: 0, end: 600_000 }.value(&expression)
    }

    fn one(db: &Tsdb, query: &str) -> f64 {
        match at(db, query, 600_000).unwrap() {
            Value::Vector(v) if v.len() == 1 => v[0].1,
            other => panic!("{query}: {other:?}"),
        }
    }

    /// Expected values are those of Prometheus's documentation of each function, worked out by hand.
    #[test]
    fn expressions_are_evaluated_as_prometheus_does() {
        let db = filled();
        assert_eq!(one(&db, "mem{pod=\"a\"}"), 140.0);
        assert_eq!(one(&db, "mem"), 140.0, "the other series ended: no lookback after its end");
        assert_eq!(one(&db, "sum(mem offset 5m)"), 120.0 + 500.0);
        assert_eq!(one(&db, "mem @ 300 and mem{pod=~\"a.*\"}"), 120.0);
        assert!((one(&db, "sum by (pod) (rate(req[5m]))") - 3.0).abs() < 1e-9, "30 and 15 every 15 s");
        assert!(
            (one(&db, "sum(rate(req{code=~\"5..\"}[5m])) / sum(rate(req[5m]))") - 1.0 / 3.0).abs() < 1e-9
        );
        let p95 = one(&db, "histogram_quantile(0.95, sum by (pod,le) (rate(lat_bucket[5m])))");
        assert!((p95 - 5.5).abs() < 1e-9, "half way from 1 s to 10 s, not {p95}");
        assert!((one(&db, "delta(mem{pod=\"a\"}[5m])") - 20.0).abs() < 1e-9);
        assert!((one(&db, "deriv(mem{pod=\"a\"}[5m])") - 1.0 / 15.0).abs() < 1e-9);
        assert_eq!(one(&db, "topk(1, mem offset 5m)"), 500.0);
        assert_eq!(one(&db, "count(mem offset 5m > 200)"), 1.0);
        assert_eq!(at(&db, "mem > 1000", 600_000), Ok(Value::Vector(Vec::new())));
        assert!(at(&db, "absent(mem)", 600_000).unwrap_err().contains("does not evaluate"));
        assert!(at(&db, "req + on (pod) mem", 600_000).unwrap_err().contains("many-to-one"));
    }
}
