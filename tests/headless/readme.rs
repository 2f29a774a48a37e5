//! The README's commands, run as they stand but for the names: its objects are examples, the tour's are there.

use crate::support::lab::Lab;
use crate::support::pty;

/// Every command of the README, with the exit codes its comment names (0 where it names none). Those with a
/// placeholder in capitals are forms, not commands.
fn commands() -> Vec<(Vec<String>, Vec<i32>)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let lines = text.lines().filter_map(|l| l.strip_prefix("    khud"));
    let inline = text.split('`').skip(1).step_by(2).filter_map(|code| code.strip_prefix("khud "));
    let form = |code: &str| code.split_whitespace().any(|w| w.chars().all(|c| c.is_ascii_uppercase()));
    lines
        .chain(inline.filter(|code| !form(code)))
        .map(|line| {
            let (command, comment) = line.split_once('#').unwrap_or((line, ""));
            let codes = comment.split_once("exit ").map_or(vec![0], |(_, told)| {
                told.split(", ").filter_map(|c| c.split(' ').next()?.parse().ok()).collect()
            });
            (command.split_whitespace().map(str::to_owned).collect(), codes)
        })
        .collect()
}

#[test]
fn the_commands_of_the_readme_run() {
    let lab = Lab::start("tour", 4.0);
    lab.finding("image.not-found");
    let kubeconfig = lab.kubeconfig();
    let named = std::fs::read_to_string(&kubeconfig).unwrap();
    let context = named.split("current-context").nth(1).unwrap().trim_start_matches(['"', ':', ' ']);
    let context = context.split(['"', '\n', ',']).next().unwrap().trim().to_owned();
    let running = |prefix: &str, ready: bool| {
        let of = lab.pods("production", |p| {
            let name = p["metadata"]["name"].as_str().unwrap_or_default();
            name.starts_with(prefix) && p["status"]["containerStatuses"][0]["ready"] == ready
        });
        of.into_iter().next().unwrap_or_else(|| panic!("a pod {prefix} that is ready: {ready}"))
    };
    let renamed = |word: &str| match word {
        "prod" => vec![context.clone()],
        "pod/api-0" => {
            vec![format!("pod/{}", running("api-server-", false)), "-n".into(), "production".into()]
        }
        "deploy/api" => vec!["deploy/api-server".into(), "-n".into(), "production".into()],
        "node/gpu-worker-7" => vec!["node/gpu-worker-012".into()],
        "pod/payment-0" => {
            vec![format!("pod/{}", running("payment-service-", true)), "-n".into(), "production".into()]
        }
        "-n" => Vec::new(),
        other => vec![other.to_owned()],
    };
    let all = commands();
    assert!(all.len() >= 8, "the README shows commands");
    for (words, codes) in all {
        // `-n prod` goes with the object's name.
        let mut given = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "-n" {
                words.next();
            }
            given.extend(renamed(word));
        }
        let args: Vec<&str> = given.iter().map(String::as_str).collect();
        let cockpit = args.iter().all(|a| a.starts_with("--") || *a == context)
            || args.first().is_some_and(|a| a.starts_with("pod/"));
        if cockpit {
            let mut t = pty::cockpit(env!("CARGO_BIN_EXE_khud"), lab.dir.path(), "", &args, 120, 40);
            t.until(&format!("{args:?} to connect"), |s| s.contents().contains("● live"));
            t.send("\x03");
            assert_eq!(t.ends(), 0, "{args:?}");
            continue;
        }
        let out = lab.khud(&args).current_dir(lab.dir.path()).output().unwrap();
        let code = out.status.code().unwrap();
        assert!(
            codes.contains(&code),
            "{args:?} ended with {code}:\n{}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
    }
}
