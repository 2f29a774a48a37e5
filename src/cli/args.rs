//! The grammar of the command line: every command, flag and default, for clap, the completions and the man
//! page.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use super::action_options::ActionOptions;

/// The Kubernetes head-up display for incidents.
///
/// Without a command it opens the cockpit on the current context; with KIND/NAME it opens on that object.
#[derive(Parser, Debug)]
#[command(
    name = "khud",
    version,
    max_term_width = 100,
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = false
)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,

    /// Open on this object, as an alert names it: pod/api-0, deploy/api, node/gpu-7; or print the index of a bundle
    #[arg(value_name = "KIND/NAME|FILE")]
    pub object: Option<String>,

    /// Print this text of the bundle FILE
    #[arg(long, value_name = "TEXT", requires = "object")]
    pub show: Option<String>,

    /// Colours: a shipped theme's name or a file
    #[arg(long, value_name = "THEME")]
    pub theme: Option<String>,

    /// Run a command as if typed after ':' once the cockpit is open, e.g. ':pods'
    #[arg(long, value_name = "COMMAND")]
    pub command: Option<String>,

    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// Cluster, user and safety options.
#[derive(Args, Debug, Clone, Default)]
pub struct Common {
    /// The kubeconfig file to use instead of $KUBECONFIG or ~/.kube/config
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub kubeconfig: Option<PathBuf>,

    /// The kubeconfig context to use
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,

    /// One namespace; repeat it or separate with commas for several
    #[arg(
        short,
        long,
        global = true,
        value_name = "NS",
        value_delimiter = ',',
        conflicts_with = "all_namespaces"
    )]
    pub namespace: Vec<String>,

    /// All namespaces (the default of the cockpit and of scan)
    #[arg(short = 'A', long, global = true)]
    pub all_namespaces: bool,

    /// Act as this user
    #[arg(long = "as", global = true, value_name = "USER")]
    pub as_user: Option<String>,

    /// Act as a member of this group; may be repeated
    #[arg(long, global = true, value_name = "GROUP", requires = "as_user")]
    pub as_group: Vec<String>,

    /// Refuse every request that could change something, in the HTTP layer of every client
    #[arg(long, global = true)]
    pub read_only: bool,

    /// Give up a single request after this time (30s, 2m)
    #[arg(long, global = true, value_name = "TIME", value_parser = duration)]
    pub request_timeout: Option<Duration>,
}

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Start an embedded cluster with a scenario, and the cockpit on it
    Demo(Demo),
    /// Serve an embedded cluster until stopped
    Sim(Sim),
    /// Check once what is wrong: exit 0 clean, 1 findings at or above --fail-on, 2 could not look
    Scan(Scan),
    /// Run a decision tree on one object: exit 0 verdict, 1 none proved, 2 could not look
    Diagnose(Diagnose),
    /// Run one action: exit 0 done and verified, 1 refused or failed, 2 usage, 3 applied but not verified
    Do(Do),
    /// This machine's GPUs and the pods that hold them; needs no cluster
    Gpu(Gpu),
    /// Serve this machine's GPUs on /metrics in dcgm-exporter's names
    Agent(Agent),
    /// Write the report of an incident: phases, impact, root cause, what was done, what is left, lessons, checklist
    Report(Report),
    /// List the kubeconfig's contexts
    Contexts {
        #[arg(short, long, value_enum, default_value_t = TableOrJson::Table)]
        output: TableOrJson,
    },
    /// Look at several clusters side by side: which answers, what is free, which model runs where: exit 0 all answer, 1 not
    Regions(Regions),
    /// List khud's past actions from its journal
    Journal {
        #[arg(short, long, value_enum, default_value_t = TextOrJson::Text)]
        output: TextOrJson,
    },
    /// Read a JVM heap dump: what fills the heap, and what keeps it alive
    Heap {
        /// The dump, in HPROF format. Index files of about its size are created beside it and removed
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        #[arg(short, long, value_enum, default_value_t = TableOrJson::Table)]
        output: TableOrJson,
    },
    /// Read thread dumps: lock waits, deadlocks, equal stacks, changes between dumps
    Threads {
        /// Dumps of one process, oldest first: jstack, jcmd, py-spy or Go
        #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        #[arg(short, long, value_enum, default_value_t = TableOrJson::Table)]
        output: TableOrJson,
    },
    /// Read a JVM class histogram, or compare two
    Histogram {
        /// The histogram, or the older and the newer one: jcmd GC.class_histogram or jmap -histo
        #[arg(value_name = "FILE", required = true, num_args = 1..=2, value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        #[arg(short, long, value_enum, default_value_t = TableOrJson::Table)]
        output: TableOrJson,
    },
    /// Take another tool's configuration over, and list what khud has not
    #[command(subcommand)]
    Import(Import),
    /// Check or document decision trees
    #[command(subcommand)]
    Playbook(Playbook),
    /// Print configuration, keys, themes, rules, completions or the man page
    #[command(subcommand)]
    Print(Print),
    /// Write versions, capabilities and the tail of the log, redacted, to one file
    Bug {
        /// The file to write
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: Option<PathBuf>,
    },
}

#[derive(Subcommand, Debug)]
pub enum Import {
    /// k9s: aliases, hotkeys, plugins, columns of views, skins. Without --write it prints what to add
    K9s {
        /// k9s's directory instead of $K9S_CONFIG_DIR or $XDG_CONFIG_HOME/k9s
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
        /// Add it to khud's config.toml and themes/
        #[arg(long)]
        write: bool,
    },
}

#[derive(Args, Debug)]
pub struct Demo {
    /// A scenario's name or file
    #[arg(value_name = "SCENARIO", default_value = "tour")]
    pub scenario: String,
    /// List the scenarios and what each shows
    #[arg(long)]
    pub list: bool,
    /// Run the embedded cluster's time this many times faster
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
}

#[derive(Args, Debug)]
pub struct Sim {
    /// A scenario's name or file
    #[arg(value_name = "SCENARIO")]
    pub scenario: Option<String>,
    /// Serve this many generated nodes
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub nodes: u32,
    /// Serve this many generated pods
    #[arg(long, value_name = "M", default_value_t = 0)]
    pub pods: u32,
    /// Change this many generated objects a second
    #[arg(long, value_name = "PER_S", default_value_t = 0.0)]
    pub churn: f64,
    /// The seed of all random choices
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Faults to inject, each at a time or from the start: drop-watches@30s,slow
    #[arg(long, value_name = "NAME[@TIME]", value_delimiter = ',')]
    pub faults: Vec<String>,
    /// Run its time this many times faster
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// The address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Serve HTTPS; the kubeconfig carries the CA
    #[arg(long)]
    pub tls: bool,
    /// Check a scenario file and exit
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub check: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Scan {
    /// Watch for this long instead of exiting when every source has answered
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub watch: Option<Duration>,
    #[arg(short, long, value_enum, default_value_t = ScanOutput::Table)]
    pub output: ScanOutput,
    /// The severity at which the exit code is 1
    #[arg(long, value_enum, default_value_t = Level::Critical)]
    pub fail_on: Level,
    /// Exit 2 if any source could not be read
    #[arg(long)]
    pub strict: bool,
}

#[derive(Args, Debug)]
pub struct Gpu {
    #[arg(short, long, value_enum, default_value_t = TableOrJson::Table)]
    pub output: TableOrJson,
    /// Look again every 2 seconds until stopped; JSON then is one document a line
    #[arg(long)]
    pub watch: bool,
}

#[derive(Args, Debug)]
pub struct Agent {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9400")]
    pub listen: SocketAddr,
}

#[derive(Args, Debug)]
pub struct Regions {
    /// The contexts (those of `regions` in config.toml, else all of the kubeconfig)
    #[arg(value_name = "CONTEXT")]
    pub contexts: Vec<String>,
    #[arg(short, long, value_enum, default_value_t = TableOrJson::Table)]
    pub output: TableOrJson,
}

#[derive(Args, Debug)]
pub struct Report {
    /// The incident's id, as `khud scan -o json` prints it (the newest)
    #[arg(long, value_name = "ID")]
    pub incident: Option<String>,
    /// A change request instead of a report
    #[arg(long)]
    pub change_request: bool,
    #[arg(short, long, value_enum, default_value_t = ReportOutput::Markdown)]
    pub output: ReportOutput,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportOutput {
    Markdown,
    Json,
}

#[derive(Args, Debug)]
pub struct Diagnose {
    /// What to diagnose: pod/api-0, deploy/api, node/gpu-7
    #[arg(value_name = "KIND/NAME")]
    pub object: String,
    /// The decision tree: the id of a built-in one or a file
    #[arg(long, value_name = "PLAYBOOK")]
    pub playbook: Option<String>,
    /// Allow evidence that runs something in the cluster
    #[arg(long, value_enum)]
    pub allow: Option<Allow>,
    /// Append the walk, with the evidence it was given, to this file as a case of the decision tree
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub record: Option<PathBuf>,
    #[arg(short, long, value_enum, default_value_t = TextOrJson::Text)]
    pub output: TextOrJson,
}

#[derive(Args, Debug)]
pub struct Do {
    /// The action, as `khud do --list` names it
    #[arg(value_name = "ACTION", required_unless_present_any = ["list", "resume"])]
    pub action: Option<String>,
    /// The object to act on: deploy/api, node/gpu-7, pod/api-0; nothing for an action on the cluster (waves, upgrade)
    #[arg(value_name = "TARGET")]
    pub target: Option<String>,
    /// Go on with a run that was stopped: the id that `khud journal` prints
    #[arg(long, value_name = "RUN", conflicts_with_all = ["action", "target"])]
    pub resume: Option<String>,
    /// List the actions with their kinds and options
    #[arg(long)]
    pub list: bool,
    /// Show the plan with the server's dry run, and exit
    #[arg(long, visible_alias = "plan")]
    pub dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
    #[arg(short, long, value_enum, default_value_t = TextOrJson::Text)]
    pub output: TextOrJson,
    /// Continue although another cluster answers than before: the UID of its namespace kube-system
    #[arg(long, value_name = "UID")]
    pub accept_cluster: Option<String>,
    /// With --yes: the name of a protected context or namespace that may be changed; may be repeated
    #[arg(long, value_name = "NAME")]
    pub confirm: Vec<String>,
    /// Watch for the result for this long
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    #[command(flatten)]
    pub options: ActionOptions,
}

#[derive(Subcommand, Debug)]
pub enum Playbook {
    /// Check decision trees: syntax, expressions, causes, unreachable branches, leaves without a case
    Lint {
        #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
    },
    /// Walk the recorded cases that lie beside decision trees (NAME.cases.yaml): exit 0 all as written, 1 not
    Test {
        #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
    },
    /// Print a checklist that the cluster ticks (checklist-NAME), or a page for what khud must not do itself, with the object's names filled in; without NAME list them
    Show {
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// The node or pod whose names to fill in; for a checklist the workload
        #[arg(value_name = "KIND/NAME")]
        object: Option<String>,
        /// The person who does it; twice for pages that need two people
        #[arg(long, value_name = "NAME")]
        by: Vec<String>,
    },
    /// Write decision trees as Markdown
    Docs {
        #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
    },
}

#[derive(Subcommand, Debug)]
pub enum Print {
    /// A configuration file with every key, its default and what it does
    Config,
    /// Every command with the key it is bound to
    Keys,
    /// A theme as TOML
    Theme {
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Every rule: its cause, evidence and reason, and the causes without a rule
    Rules,
    /// Shell completions
    Completions {
        #[arg(value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
    /// The man page
    Man,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableOrJson {
    Table,
    Json,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextOrJson {
    Text,
    Json,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanOutput {
    Table,
    Json,
    Markdown,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Critical,
    Warning,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allow {
    /// Commands in containers that only read
    Intrusive,
}

/// Parses `30s`, `2m`, `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let say = || format!("{text:?} is not a time; write 30s, 2m or 1h30m");
    let span: jiff::SignedDuration = text.parse().map_err(|_| say())?;
    span.try_into().map_err(|_| say())
}

fn speed(text: &str) -> Result<f64, String> {
    let x: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if (0.1..=1000.0).contains(&x) { Ok(x) } else { Err("the speed must be from 0.1 to 1000".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_the_contract_shows_parses() {
        for line in [
            "khud",
            "khud --context C --kubeconfig F -n NS --read-only --theme T --command :pods",
            "khud -A",
            "khud pod/x -n y",
            "khud demo",
            "khud demo healthy --speed 4",
            "khud demo --list",
            "khud sim tour --kubeconfig F",
            "khud sim --nodes 5000 --pods 150000 --churn 2000 --seed 7 --faults drop-watches@30s,slow --listen 127.0.0.1:0 --tls",
            "khud sim --check F",
            "khud scan --for 30s -n NS -o json --fail-on warning",
            "khud diagnose pod/x -n NS --playbook P --allow intrusive -o json",
            "khud do rollback deploy/api -n NS --to-revision 3 --dry-run -o json",
            "khud do heap-dump pod/x -c app --out DIR --yes",
            "khud do set-image deploy/api app=api:2",
            "khud do cordon node/n1 --accept-cluster 6b1f0c3e-4d0c-4f1e-9a55-0a1b2c3d4e5f --yes",
            "khud do waves --nodes pool=gpu --size 5 --gate ready=300s --gate gpus --replace-cmd 'x {node}' --max-job-age 24h --state FILE --dry-run",
            "khud do waves --terraform-plan F --plan -o json",
            "khud do --resume RUN --yes",
            "khud do --list",
            "khud gpu -o json --watch",
            "khud agent --listen 0.0.0.0:9400",
            "khud journal",
            "khud regions",
            "khud regions us-east-1 eu-west-1 -o json",
            "khud contexts -o json",
            "khud playbook lint F",
            "khud playbook test F G",
            "khud diagnose pod/x --record F",
            "khud import k9s",
            "khud import k9s DIR --write",
            "khud heap F",
            "khud heap F -o json",
            "khud threads F -o json",
            "khud threads F G H",
            "khud histogram F",
            "khud histogram F G -o json",
            "khud print completions bash",
            "khud bug --out F",
        ] {
            if let Err(e) = Cli::try_parse_from(line.split(' ')) {
                panic!("{line}: {e}");
            }
        }
        assert!(Cli::try_parse_from(["khud", "histogram", "a", "b", "c"]).is_err(), "two are compared");
        assert!(Cli::try_parse_from(["khud", "scan", "--for", "soon"]).is_err());
    }
}
