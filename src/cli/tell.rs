//! `khud contexts` and `khud journal`: print local information, without a cluster.

use super::args::{Common, TableOrJson, TextOrJson};
use super::{exit, open, out};
use crate::cluster::contexts;
use crate::remedy::journal::Journal;
use crate::remedy::render;
use crate::term::clean;

pub fn contexts_of(common: &Common, output: TableOrJson) -> u8 {
    let found = match contexts(&open::options(common, false)) {
        Ok((found, shadowed)) => {
            shadowed.iter().for_each(|sentence| out::complain(&clean(sentence)));
            found
        }
        Err(e) => {
            out::complain(&clean(&e.to_string()));
            return exit::FAILED;
        }
    };
    if output == TableOrJson::Json {
        let list: Vec<_> = found
            .iter()
            .map(|c| {
                serde_json::json!({
                    "name": c.name, "cluster": c.cluster, "user": c.user,
                    "namespace": c.namespace, "server": c.server, "current": c.current,
                })
            })
            .collect();
        return out::result(&format!("{:#}\n", serde_json::Value::from(list)));
    }
    let rows: Vec<[String; 5]> = found
        .iter()
        .map(|c| {
            let mark = if c.current { "*" } else { "" };
            [mark, &c.name, &c.cluster, &c.namespace, &c.server].map(|t| clean(t).into_owned())
        })
        .collect();
    out::result(&table(&["CURRENT", "NAME", "CLUSTER", "NAMESPACE", "SERVER"], &rows))
}

/// Formats columns as wide as their widest cell, as kubectl does.
fn table<const N: usize>(head: &[&str; N], rows: &[[String; N]]) -> String {
    use unicode_width::UnicodeWidthStr;
    let wide = |i: usize| rows.iter().map(|r| r[i].width()).chain([head[i].width()]).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(wide);
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(c, w)| format!("{c}{}", " ".repeat(w - c.width())));
        format!("{}\n", padded.collect::<Vec<_>>().join("   ").trim_end())
    };
    let mut out = line(*head);
    for row in rows {
        out.push_str(&line(std::array::from_fn(|i| row[i].as_str())));
    }
    out
}

pub fn journal(output: TextOrJson) -> u8 {
    let read = Journal::default_path().and_then(|path| Journal::at(path).read());
    let (entries, unreadable) = match read {
        Ok(read) => read,
        Err(why) => {
            out::complain(&why);
            return exit::FAILED;
        }
    };
    match output {
        TextOrJson::Text => out::result(&render::journal(&entries, unreadable)),
        TextOrJson::Json => match serde_json::to_string_pretty(&entries) {
            Ok(text) => out::result(&format!("{text}\n")),
            Err(e) => {
                out::complain(&format!("the journal could not be written as JSON: {e}"));
                exit::FAILED
            }
        },
    }
}
