//! Backup: an object as YAML in a local file; of a CustomResourceDefinition with all its objects.

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::plan::Severity;
use crate::remedy::run::{Done, Job, Params};
use crate::remedy::{definitions, diff, jvm, kubectl, saved};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Back up",
    about: "save it as YAML here; a CustomResourceDefinition with all its objects",
    options: &[
        jvm::OUT,
        Spec::flag("with-secrets", "with what Secrets hold; without it their data are left out"),
    ],
    rights: &[Right::on_target("get")],
    kubectl,
    ..Action::new("backup", start)
};

fn kubectl(target: &ObjectRef, _: &Params) -> String {
    format!("kubectl get {} -o yaml", kubectl::object(target))
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        let mut all = vec![object.clone()];
        if target.kind == Kind::CustomResourceDefinition {
            all.extend(definitions::instances(&cx, &object).await?);
        }
        let with_secrets = params.contains_key("with-secrets");
        let mut comment = "";
        for object in &mut all {
            *object = diff::restorable(object);
            if object["kind"] == "Secret" && !with_secrets {
                for field in ["data", "stringData"] {
                    drop(object.as_object_mut().map(|o| o.remove(field)));
                }
                comment = "# What the Secret holds is left out; --with-secrets saves it, too.\n";
                cx.impact(
                    "what the Secret holds is left out",
                    Severity::Warning,
                    "--with-secrets saves it, too",
                );
            }
        }
        let path = saved::path(&cx, params.get("out").map_or(".", String::as_str), &target);
        cx.impact(
            format!("{} objects go into a file", all.len()),
            Severity::Info,
            path.display().to_string(),
        );
        cx.begin().await?;
        saved::save(&cx, &path, comment, &all).await?;
        let file = path.display().to_string();
        let again = match comment {
            "" => format!(
                "`khud do restore {} --from {}` makes again what is gone",
                kubectl::object(&target),
                kubectl::quoted(&file)
            ),
            _ => "it cannot be restored from there: what it holds was left out".to_owned(),
        };
        Ok(Done::Verified(format!("{} objects are in {file}, which was read back; {again}", all.len())))
    }))
}
