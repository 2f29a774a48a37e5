//! Machines that a Terraform plan replaces, why, and which nodes they are. Reads `terraform show -json PLAN`.
//!
//! Source: developer.hashicorp.com/terraform/internals/json-format, "Plan representation" and "Change representation".

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::remedy::cx::Cx;
use crate::remedy::files::FileOp;
use crate::remedy::run::Stop;

/// Attributes under which a machine's names are found, in the providers' own words.
const NAMES: &[&str] = &[
    "id",
    "instance_id",
    "private_dns",
    "private_dns_name",
    "private_ip",
    "name",
    "computer_name",
    "hostname",
    "self_link",
    "network_interface_id",
];
/// Attributes that change nothing on the machine.
const COSMETIC: &[&str] = &["tags", "tags_all", "labels", "description", "metadata_labels"];
/// Machines in one answer of the API server.
const PAGE: usize = 500;

/// How a change came about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Drift {
    /// The code asks for something else than before.
    Legitimate,
    /// Somebody changed the machine outside Terraform: the plan's `resource_drift` has it.
    Accidental,
}

/// A resource that the plan replaces or removes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Resource {
    pub address: String,
    /// The attributes that force it, from `replace_paths`: `ami`.
    pub forced_by: Vec<String>,
    pub drift: Drift,
    #[serde(skip)]
    names: BTreeSet<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub(super) struct Plan {
    pub replaced: Vec<Resource>,
    /// Only tags or descriptions change: no machine is touched.
    pub cosmetic: Vec<String>,
    /// Changed in place.
    pub updated: Vec<String>,
}

/// The plan, with the nodes it replaces.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub(super) struct Machines {
    #[serde(flatten)]
    pub plan: Plan,
    /// Node name and resource address.
    pub nodes: BTreeMap<String, String>,
    /// Addresses of machines that no node was found for.
    pub unmatched: Vec<String>,
}

/// Reads the plan, and the nodes' provider ids, which the watch does not keep.
///
/// # Errors
/// A sentence: no such file, no plan in it, or the nodes cannot be listed.
pub(super) async fn machines(cx: &Cx, file: &Path) -> Result<Machines, Stop> {
    let refused =
        |why: String| Stop::Refused(format!("cannot read {} as a Terraform plan: {why}", file.display()));
    let bytes = cx.local(FileOp::Read { path: file.to_owned() }).await?.read;
    let plan = parse(&bytes.ok_or_else(|| refused("there is no such file".to_owned()))?).map_err(refused)?;
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut next = String::new();
    loop {
        let list = cx.get(format!("/api/v1/nodes?limit={PAGE}{next}")).await?;
        for node in list["items"].as_array().into_iter().flatten() {
            let Some(name) = node["metadata"]["name"].as_str() else { continue };
            for key in keys(node) {
                names.insert(key, name.to_owned());
            }
        }
        match list["metadata"]["continue"].as_str().filter(|c| !c.is_empty()) {
            // The token is base64url and stands in a query as it is.
            Some(token) => next = format!("&continue={token}"),
            None => break,
        }
    }
    Ok(matched(plan, &names))
}

/// The names of a node: its name, provider id, instance id and addresses.
fn keys(node: &Value) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    out.extend(node["metadata"]["name"].as_str().map(str::to_owned));
    if let Some(provider) = node["spec"]["providerID"].as_str().filter(|p| !p.is_empty()) {
        out.push(provider.to_owned());
        // aws:///us-west-2a/i-0abc, gce://project/zone/name, azure:///subscriptions/…/name
        out.extend(provider.rsplit('/').next().map(str::to_owned));
        out.extend(provider.split_once("://").map(|(_, rest)| rest.trim_start_matches('/').to_owned()));
    }
    for address in node["status"]["addresses"].as_array().into_iter().flatten() {
        out.extend(address["address"].as_str().map(str::to_owned));
    }
    out
}

fn matched(plan: Plan, names: &BTreeMap<String, String>) -> Machines {
    let mut out = Machines::default();
    for r in &plan.replaced {
        match r.names.iter().find_map(|n| names.get(n)) {
            Some(node) => drop(out.nodes.insert(node.clone(), r.address.clone())),
            None => out.unmatched.push(r.address.clone()),
        }
    }
    out.plan = plan;
    out
}

/// The top-level attributes that differ. What is only known after the apply is no difference of its own.
fn differing(change: &Value) -> Vec<String> {
    let (before, after) = (&change["before"], &change["after"]);
    let Some(fields) = after.as_object() else { return Vec::new() };
    let unknown = |k: &str| change["after_unknown"].get(k).is_some_and(|u| u != &Value::Bool(false));
    fields.iter().filter(|(k, v)| !unknown(k) && before.get(k) != Some(v)).map(|(k, _)| k.clone()).collect()
}

fn paths(change: &Value) -> Vec<String> {
    let mut out: Vec<String> = change["replace_paths"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|p| p.as_array()?.first()?.as_str().map(str::to_owned))
        .collect();
    out.sort();
    out.dedup();
    out
}

/// # Errors
/// A sentence: no JSON, or not of the form that `terraform show -json` prints.
fn parse(bytes: &[u8]) -> Result<Plan, String> {
    let hint = "write it with terraform show -json PLAN > FILE";
    let value: Value = serde_json::from_slice(bytes).map_err(|e| format!("it is no JSON ({e}); {hint}"))?;
    let changes =
        value["resource_changes"].as_array().ok_or_else(|| format!("it has no resource_changes; {hint}"))?;
    // Changes made outside Terraform, by address.
    let mut outside: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for drift in value["resource_drift"].as_array().into_iter().flatten() {
        if let Some(address) = drift["address"].as_str() {
            outside.insert(address, differing(&drift["change"]));
        }
    }
    let mut plan = Plan::default();
    for change in changes {
        let Some(address) = change["address"].as_str().map(str::to_owned) else { continue };
        let body = &change["change"];
        let actions: Vec<&str> =
            body["actions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let differs = differing(body);
        if actions.contains(&"delete") {
            let forced_by = paths(body);
            let by_hand = outside
                .get(address.as_str())
                .is_some_and(|fields| forced_by.is_empty() || forced_by.iter().any(|f| fields.contains(f)));
            let mut names: BTreeSet<String> =
                NAMES.iter().filter_map(|k| body["before"][k].as_str()).map(str::to_owned).collect();
            names.extend(body["before"]["tags"]["Name"].as_str().map(str::to_owned));
            names.retain(|n| !n.is_empty());
            let drift = if by_hand { Drift::Accidental } else { Drift::Legitimate };
            plan.replaced.push(Resource { address, forced_by, drift, names });
        } else if actions.contains(&"update") {
            match !differs.is_empty() && differs.iter().all(|f| COSMETIC.contains(&f.as_str())) {
                true => plan.cosmetic.push(address),
                false => plan.updated.push(address),
            }
        }
    }
    Ok(plan)
}

impl Machines {
    pub(super) fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The plan's summary, and lines to paste that find out who changed what.
    pub(super) fn text(&self) -> String {
        let mut out = String::from("\nTerraform\n");
        let mut by: BTreeMap<(Drift, String), usize> = BTreeMap::new();
        for r in &self.plan.replaced {
            let forced =
                if r.forced_by.is_empty() { "no attribute named".to_owned() } else { r.forced_by.join(", ") };
            *by.entry((r.drift, forced)).or_default() += 1;
        }
        for ((drift, forced), n) in &by {
            let what = match drift {
                Drift::Legitimate => "the code asks for it",
                Drift::Accidental => "changed outside Terraform: revert it there, or take it into the code",
            };
            let _ = writeln!(out, "  {n} resources are replaced, forced by {forced}: {what}");
        }
        for (n, what) in
            [(self.plan.cosmetic.len(), "change tags only"), (self.plan.updated.len(), "change in place")]
        {
            if n > 0 {
                let _ = writeln!(out, "  {n} resources {what}");
            }
        }
        if !self.unmatched.is_empty() {
            let _ = writeln!(out, "  no node was found for: {}", self.unmatched.join(", "));
        }
        let attributes: BTreeSet<&str> =
            self.plan.replaced.iter().flat_map(|r| &r.forced_by).map(String::as_str).collect();
        if !attributes.is_empty() {
            let all: Vec<&str> = attributes.into_iter().collect();
            let _ = writeln!(out, "  to ignore it: lifecycle {{ ignore_changes = [{}] }}", all.join(", "));
        }
        let ids: Vec<&str> = self
            .plan
            .replaced
            .iter()
            .filter_map(|r| r.names.iter().map(String::as_str).find(|n| instance(n)))
            .collect();
        out.push_str("  terraform state pull\n");
        if let Some(first) = ids.first() {
            let _ = writeln!(
                out,
                "  aws ec2 describe-instances --instance-ids {} --query 'Reservations[].Instances[].[InstanceId,ImageId]' --output table",
                ids.join(" ")
            );
            let _ = writeln!(
                out,
                "  aws cloudtrail lookup-events --lookup-attributes AttributeKey=ResourceName,AttributeValue={first} --max-items 50"
            );
        }
        out
    }
}

/// An EC2 instance id, which alone goes into a line to paste.
fn instance(name: &str) -> bool {
    name.strip_prefix("i-").is_some_and(|rest| rest.len() >= 7 && rest.chars().all(|c| c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(address: &str, actions: &[&str], before: Value, after: Value, forced: &[&str]) -> Value {
        let forced: Vec<Value> = forced.iter().map(|f| json!([f])).collect();
        json!({"address": address, "type": "aws_instance",
               "change": {"actions": actions, "before": before, "after": after, "replace_paths": forced}})
    }

    #[test]
    fn replaced_machines_are_found_by_instance_id_name_and_address_and_drift_is_sorted() {
        let before = |id: &str, name: &str, ip: &str| json!({"id": id, "ami": "ami-old", "private_ip": ip, "tags": {"Name": name}, "instance_type": "p5"});
        let after = json!({"ami": "ami-new", "instance_type": "p5"});
        let plan = json!({
            "format_version": "1.2",
            "resource_drift": [change("aws_instance.gpu[1]", &["update"], json!({"ami": "ami-old"}), json!({"ami": "ami-hand"}), &[])],
            "resource_changes": [
                change("aws_instance.gpu[0]", &["delete", "create"], before("i-0abc1234", "x", ""), after.clone(), &["ami"]),
                change("aws_instance.gpu[1]", &["create", "delete"], before("i-0def5678", "gpu-worker-002", ""), after.clone(), &["ami"]),
                change("aws_instance.gpu[2]", &["delete", "create"], before("i-0aaa1111", "y", "10.0.0.3"), after.clone(), &["ami"]),
                change("aws_instance.gpu[3]", &["delete", "create"], before("i-0bbb2222", "z", "10.9.9.9"), after, &["ami"]),
                change("aws_instance.db", &["update"], json!({"tags": {"a": "1"}}), json!({"tags": {"a": "2"}}), &[]),
                change("aws_vpc.main", &["no-op"], json!({}), json!({}), &[]),
            ],
        });
        let plan = parse(plan.to_string().as_bytes()).unwrap();
        assert_eq!(plan.cosmetic, ["aws_instance.db"]);
        let drifts: Vec<Drift> = plan.replaced.iter().map(|r| r.drift).collect();
        assert_eq!(drifts, [Drift::Legitimate, Drift::Accidental, Drift::Legitimate, Drift::Legitimate]);
        let node = |name: &str, provider: &str, ip: &str| {
            json!({"metadata": {"name": name}, "spec": {"providerID": provider},
                   "status": {"addresses": [{"type": "InternalIP", "address": ip}]}})
        };
        let names: BTreeMap<String, String> = [
            node("gpu-worker-001", "aws:///us-west-2a/i-0abc1234", "10.0.0.1"),
            node("gpu-worker-002", "", "10.0.0.2"),
            node("gpu-worker-003", "", "10.0.0.3"),
        ]
        .iter()
        .flat_map(|n| keys(n).into_iter().map(|k| (k, n["metadata"]["name"].as_str().unwrap().to_owned())))
        .collect();
        let found = matched(plan, &names);
        let nodes: Vec<(&str, &str)> = found.nodes.iter().map(|(n, a)| (n.as_str(), a.as_str())).collect();
        assert_eq!(
            nodes,
            [
                ("gpu-worker-001", "aws_instance.gpu[0]"),
                ("gpu-worker-002", "aws_instance.gpu[1]"),
                ("gpu-worker-003", "aws_instance.gpu[2]"),
            ]
        );
        assert_eq!(found.unmatched, ["aws_instance.gpu[3]"]);
        let text = found.text();
        assert!(text.contains("ignore_changes = [ami]"), "{text}");
        assert!(text.contains("AttributeValue=i-0abc1234"), "{text}");
        assert!(
            text.contains("1 resources are replaced, forced by ami: changed outside Terraform"),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_plan_is_said() {
        assert!(parse(b"Plan: 103 to add").unwrap_err().contains("terraform show -json"));
        assert!(parse(b"{}").unwrap_err().contains("no resource_changes"));
    }
}
