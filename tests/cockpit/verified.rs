//! An open decision tree verifies itself: it turns green after its own remedy and after somebody else's.

use crate::support::lab::Lab;
use crate::support::pty::{Session, cockpit};

const KHUD: &str = env!("CARGO_BIN_EXE_khud");

/// The tree of the rollout whose image does not exist.
fn at_the_tree(lab: &Lab) -> Session {
    lab.finding("image.not-found");
    let mut k = cockpit(KHUD, lab.dir.path(), "", &["deploy/api-server", "-n", "production"], 120, 40);
    k.until("the Deployment under the cursor", |s| s.contents().contains("▌api-server"));
    k.then("w", "What to do");
    k.until_text("image.not-found");
    k.until("no word of an end", |s| !s.contents().contains("Over for"));
    k
}

/// The screen's words in one line, without the sign of the selected lines.
fn plain(k: &Session) -> String {
    let text = k.text().replace('▌', " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_tree_turns_green_after_the_remedy_it_proposed() {
    let lab = Lab::start("tour", 4.0);
    let mut k = at_the_tree(&lab);
    k.then("\r", "[ Cancel ]");
    k.send("\t\r");
    k.until_text("Done and verified");
    k.send("\x1b");
    k.until_text("Over for");
    let text = plain(&k);
    assert!(text.contains("after “Roll back deployment production/api-server”"), "{text}");
    assert!(text.contains("nothing speaks against deployment production/api-server"), "{text}");
    assert!(text.contains("does not exist"), "what was proved still stands there:\n{text}");
    assert!(!text.contains("What to do"), "a second rollback would lead back to the fault:\n{text}");
    k.then("T", "timeline");
    k.until_text("Over for");
}

#[test]
fn a_tree_turns_green_after_somebody_elses_remedy_and_names_no_own() {
    let lab = Lab::start("tour", 4.0);
    let k = at_the_tree(&lab);
    let done = lab.run(&["do", "rollback", "deploy/api-server", "-n", "production", "--yes"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    k.until_text("Over for");
    let text = plain(&k);
    assert!(!text.contains("after “"), "nobody acted here:\n{text}");
}
