//! All commands, one row each. To add a command, add its row here and the function it names.
//!
//! A row has: id, name, description, scopes, default keys, other words for the palette, `{whole}` if only its
//! whole name runs it, `if` with the check that says when it is available (a method of `app`'s `Here`), and
//! the function it runs with its arguments after the model. The first seven make the keymap, help and docs.
//! `app` expands the rest into calls; the function names have meaning only there.

macro_rules! commands {
    ($each:ident) => {
        $each! {
            Quit            "quit"              "leave khud"                                [Always] ["ctrl-c"] ["q" "q!" "qa" "Q" "exit"] {whole} => quit;
            Redraw          "redraw"            "draw the whole screen again"               [Always] ["ctrl-l"] [] => redraw;
            Suspend         "suspend"           "back to the shell; `fg` returns"           [Always] ["alt-z"] ["sh" "bg"] {whole} => suspend;

            Why             "why"               "why is it broken: walk the decision tree"  [Global] ["w"] ["diagnose"] if object => why::here;
            Act             "act"               "actions on the object or on all marked rows"      [Global] ["a"] ["actions"] if targets => act;
            Timeline        "timeline"          "what happened, and when"                   [Global] ["T"] ["tl"] => timeline::open;
            Help            "help"              "every key that works here"                 [Global] ["?"] ["h" "?"] => help::open;
            Palette         "command"           "run a command or open a view by name"      [Global] [":"  "ctrl-a"] ["aliases" "alias" "a"] => palette;
            Filter          "filter"            "filter rows or search text"                [Global] ["/"] ["search"] => prompt::open(PromptKind::Filter);
            Back            "back"              "clear the filter, then go back"            [Global] ["esc" "q"] [] => stack::back;
            FocusNext       "focus.next"        "next pane"                                 [Global] ["tab"] [] if panes => stack::focus(1);
            FocusPrevious   "focus.previous"    "previous pane"                             [Global] ["shift-tab"] [] if panes => stack::focus(-1);
            Focus1          "focus.1"           "first pane"                                [Global] ["alt-1"] [] => stack::focus_number(0);
            Focus2          "focus.2"           "second pane"                               [Global] ["alt-2"] [] => stack::focus_number(1);
            Focus3          "focus.3"           "third pane"                                [Global] ["alt-3"] [] => stack::focus_number(2);
            Focus4          "focus.4"           "fourth pane"                               [Global] ["alt-4"] [] => stack::focus_number(3);
            Focus5          "focus.5"           "fifth pane"                                [Global] ["alt-5"] [] => stack::focus_number(4);
            Focus6          "focus.6"           "sixth pane"                                [Global] ["alt-6"] [] => stack::focus_number(5);
            PaneWider       "pane.wider"        "widen the left side"               [Global] ["alt-right"] [] {whole} if arrangement => arrange::widen(true);
            PaneNarrower    "pane.narrower"     "widen the right side"              [Global] ["alt-left"] [] {whole} if arrangement => arrange::widen(false);
            PaneTaller      "pane.taller"       "make this pane taller"                   [Global] ["alt-down"] [] {whole} if arrangement => arrange::taller;
            PaneShorter     "pane.shorter"      "make this pane shorter"                  [Global] ["alt-up"] [] {whole} if arrangement => arrange::shorter;
            PaneHide        "pane.hide"         "hide this pane"                            [Global] ["alt-x"] [] {whole} if arrangement => arrange::hide;
            PaneLater       "pane.later"        "swap with the next pane"          [Global] ["alt-m"] [] {whole} if arrangement => arrange::later;
            PaneAll         "pane.all"          "show all panes, as configured"                  [Global] ["alt-a"] ["panes"] {whole} if arrangement => arrange::reset;
            Zoom            "zoom"              "this pane only, and back"                 [Global] ["z"] [] if panes => zoom;
            FullScreen      "full-screen"       "the text only, and back"            [Text] ["f"] [] => full_screen;
            HistoryBack     "history.back"      "the previous view"                          [Global] ["["] [] if earlier_view => stack::pop;
            HistoryForward  "history.forward"   "the next view"                              [Global] ["]"] [] if later_view => stack::forward;
            HistoryLast     "history.last"      "the last view, and back again"              [Global] ["-"] [] if other_view => stack::last;
            Jump            "jump"              "to any object by a part of its name"       [Global] ["ctrl-p"] ["find"] => prompt::open(PromptKind::Jump);
            Save            "save"              "save this table, text or log to a file"    [Global] ["ctrl-s"] [] {whole} => save::view;
            SaveScreen      "save.screen"       "save the screen as it is drawn"            [Global] ["alt-s"] ["screenshot"] {whole} => save::screen;
            Warnings        "warnings"          "events: warnings only, or all"             [Global] ["alt-w"] [] => objects::warnings;
            Refresh         "refresh"           "reconnect and list again, now"             [Global] ["ctrl-r"] [] => reconnect;
            Header          "header"            "show or hide the header"                   [Global] ["ctrl-e"] [] => header;
            NamespaceAll    "namespace.all"     "all namespaces"                            [Global] ["0"] [] => namespaces::show(Vec::new());
            Namespace1      "namespace.1"       "first favourite namespace"                 [Global] ["1"] [] if favourite(0) => favourite(0);
            Namespace2      "namespace.2"       "second favourite namespace"                [Global] ["2"] [] if favourite(1) => favourite(1);
            Namespace3      "namespace.3"       "third favourite namespace"                 [Global] ["3"] [] if favourite(2) => favourite(2);
            Namespace4      "namespace.4"       "fourth favourite namespace"                [Global] ["4"] [] if favourite(3) => favourite(3);
            Namespace5      "namespace.5"       "fifth favourite namespace"                 [Global] ["5"] [] if favourite(4) => favourite(4);
            Namespace6      "namespace.6"       "sixth favourite namespace"                 [Global] ["6"] [] if favourite(5) => favourite(5);
            Namespace7      "namespace.7"       "seventh favourite namespace"               [Global] ["7"] [] if favourite(6) => favourite(6);
            Namespace8      "namespace.8"       "eighth favourite namespace"                [Global] ["8"] [] if favourite(7) => favourite(7);
            Namespace9      "namespace.9"       "ninth favourite namespace"                 [Global] ["9"] [] if favourite(8) => favourite(8);
            Namespace       "namespace"         "choose namespaces"                         [Global] [] ["ns"] => namespace_list::open;
            Context         "context"           "choose the cluster"                        [Global] [] ["ctx" "contexts"] {whole} => contexts::open;
            Login           "login"             "log in again, on the terminal"             [Global] ["alt-l"] [] {whole} => login;
            Theme           "theme"             "choose a theme, with preview"              [Global] ["alt-t"] ["skin" "themes"] => prompt::open(PromptKind::Theme);
            Presentation    "presentation"      "for shared screens: spacing, masks, keys"  [Global] ["alt-p"] ["present"] {whole} => configure::toggle_presentation;
            ReadOnly        "read-only"         "refuse every change; off only if allowed"  [Global] [] ["readonly" "ro"] {whole} if unlocked => configure::toggle_read_only;
            Times           "times"             "times in UTC or local"                     [Global] ["alt-u"] ["utc"] => configure::toggle_times;
            Note            "note"              "put a note on the timeline"                [Global] ["alt-n"] [] {whole} => timeline::ask;
            Bug             "bug"               "write a bug report to a file" [Global] [] [] {whole} => bug;

            ViewOverview    "view.overview"     "the overview with its panes"               [Global] [] ["overview" "home"] => overview;
            ViewIncidents   "view.incidents"    "what is wrong, by its root, worst first"   [Global] [] ["incidents" "incident"] => stack::zoom_on(Pane::Findings);
            ViewFindings    "view.findings"     "every single finding, worst first"         [Global] [] ["findings" "f"] => incidents::open_findings;
            ViewPods        "view.pods"         "pods, sick first"                          [Global] [] ["pods" "pod" "po"] => objects::open_kind(Kind::Pod);
            ViewNodes       "view.nodes"        "nodes, sick first"                         [Global] [] ["nodes" "node" "no"] => objects::open_kind(Kind::Node);
            ViewWorkloads   "view.workloads"    "deployments, stateful and daemon sets"     [Global] [] ["workloads" "workload" "wk"] => objects::open_workloads;
            ViewEvents      "view.events"       "events, newest first"                       [Global] [] ["events" "event" "ev"] => objects::open_kind(Kind::Event);
            ViewGpu         "view.gpu"          "memory and load of every GPU"              [Global] [] ["gpu" "gpus"] => stack::zoom_on(Pane::Gpus);
            ViewKubeProxy   "view.kube-proxy"   "kube-proxy on every node"                  [Global] [] ["kube-proxy" "kp"] => stack::zoom_on(Pane::KubeProxy);
            Report          "report"            "the report of this incident"               [Global] [] ["postmortem"] => report::open;
            ChangeRequest   "change-request"    "this incident as a change request"         [Global] [] [] => report::change_request;
            ViewRollout     "rollout"           "its rollout: revisions, pods, what fails"  [Global] ["R"] [] if rolled => rollout::here;
            ViewXray        "view.xray"         "owners and their pods, sick ones opened"   [Global] [] ["xray" "x-ray"] => xray::open;
            ViewAudit       "view.audit"        "requests, limits, probes, images, budgets"  [Global] [] ["audit"] => audit::open;
            ViewChecklists  "view.checklists"   "what to go through before and after"       [Global] [] ["checklists" "checklist"] => checklists::open;
            ViewRegions     "view.regions"      "clusters side by side, and models in them"  [Global] [] ["regions" "region"] => regions::open;
            ViewStreams     "view.streams"      "what khud reads, how fresh, and errors"     [Global] [] ["streams" "stream"] => streams::open;
            Rights          "can-i"             "what you may do here, or one question"      [Global] [] ["can" "rights"] => rights::open;
            Who             "who"               "who may do it: `:who delete pods -n prod`"    [Global] [] ["who-can"] => who::usage;
            Do              "do"                "an action by name: `:do scale --replicas 6`" [Global] [] [] => action_line::usage;
            ViewPulses      "view.pulses"       "each kind: how many, how many sick"        [Global] [] ["pulses" "pulse" "pu"] => pulses::open;
            ViewForwards    "view.port-forwards" "local ports that lead to pods"             [Global] [] ["port-forwards" "portforwards" "portforward" "pf"] => forwards::open;
            ViewJournal     "view.journal"      "past actions and their results"           [Global] [] ["journal"] => journal::open;

            MoveDown        "move.down"         "down"                                      [Rows Text Tree Actions] ["j" "down"] [] => stack::go(Motion::Step(1));
            MoveUp          "move.up"           "up"                                        [Rows Text Tree Actions] ["k" "up"] [] => stack::go(Motion::Step(-1));
            PageDown        "page.down"         "a page down"                               [Rows Text Tree] ["ctrl-f" "pagedown"] [] => stack::go(Motion::Page(1));
            PageUp          "page.up"           "a page up"                                 [Rows Text Tree] ["ctrl-b" "pageup"] [] => stack::go(Motion::Page(-1));
            MoveTop         "move.top"          "to the top"                                [Rows Text Tree] ["g" "home"] [] => stack::go(Motion::Top);
            MoveBottom      "move.bottom"       "to the bottom"                             [Rows Text Tree] ["G" "end"] [] => stack::go(Motion::Bottom);
            ScrollLeft      "scroll.left"       "columns to the left"                       [Rows Text] ["left" "h"] [] => stack::go(Motion::Sideways(-1));
            ScrollRight     "scroll.right"      "columns to the right"                      [Rows Text] ["right"] [] => stack::go(Motion::Sideways(1));

            Drill           "drill"             "open what is inside"                       [Rows] ["enter"] [] => stack::enter;
            Describe        "describe"          "details and events"                 [Rows] ["d"] [] if object => describe::here;
            Yaml            "yaml"              "the whole object as YAML"                  [Rows] ["y"] [] if object => document::here;
            Logs            "logs"              "logs"                                      [Rows] ["l"] [] if logs::logged => logs::here(false);
            LogsPrevious    "logs.previous"     "logs of the previous run"                   [Rows] ["p"] [] if logs::logged => logs::here(true);
            Owner           "owner"             "to its owner"                              [Rows] ["J"] [] if owned => find::owner;
            UsedBy          "used-by"           "the pods that use it"                      [Rows] ["u"] [] if usable => find::used_by;
            ShowNode        "show.node"         "to its node"                               [Pods Containers] ["o"] [] if placed => find::node;
            CopyName        "copy.name"         "copy the name"                             [Rows] ["c"] [] if targets => copy_names;
            CopyNamespace   "copy.namespace"    "copy the namespace"                        [Rows] ["n"] [] if namespaced_targets => copy_namespaces;
            Warp            "namespace.warp"    "only this row's namespace"                 [Rows] ["W"] [] if namespaced => warp;
            Sick            "sick"              "only what is sick"                         [Rows] ["ctrl-z"] ["faults"] if table => objects::sick;
            FilterClear     "filter.clear"      "clear the filter"                          [Rows Text] ["ctrl-u"] [] => stack::filter("");
            Mark            "mark"              "mark it, to act on or copy"                [Rows] ["space"] [] if object => objects::mark;
            MarkRange       "mark.range"        "mark from the last mark to here"            [Rows] ["ctrl-space"] [] if object => objects::mark_range;
            MarkClear       "mark.clear"        "clear marks"                               [Rows] ["ctrl-\\"] [] if marks => objects::clear_marks;
            SortName        "sort.name"         "sort by name"                              [Rows] ["N"] [] if column("NAME") => objects::sort_by("NAME");
            SortAge         "sort.age"          "sort by age"                               [Rows] ["A"] [] if column("AGE") => objects::sort_by("AGE");
            SortStatus      "sort.status"       "sort by status"                            [Rows] ["S"] [] if column("STATUS") => objects::sort_by("STATUS");
            SortNamespace   "sort.namespace"    "sort by namespace"                         [Rows] ["P"] [] if column("NAMESPACE") => objects::sort_by("NAMESPACE");
            SortLeft        "sort.left"         "choose the previous column"                  [Rows] ["shift-left"] [] if table => objects::sort_step(-1);
            SortRight       "sort.right"        "choose the next column"                   [Rows] ["shift-right"] [] if table => objects::sort_step(1);
            SortColumn      "sort.column"       "sort by the chosen column"                 [Rows] ["O"] [] if chosen_column => objects::sort_again;
            Evidence        "evidence"          "the evidence of the finding"                 [Rows] ["v"] ["proof"] if proof => evidence::open;
            Wide            "wide"              "more columns, or fewer"                    [Rows] ["ctrl-w"] [] if table => objects::wide;
            EditHere        "edit"               "change it in your editor"                  [Rows] ["e"] [] if object => menu::direct("edit");
            ShellHere       "shell"              "a shell in the container"                  [Pods Containers] ["s"] [] if object => menu::direct("shell");
            NodeShellHere    "node-shell"         "a shell on the node"                       [Nodes] ["s"] [] if object => menu::direct("node-shell");
            DebugHere        "debug"              "a container with tools beside it"           [Pods Containers] ["x"] [] if object => menu::direct("debug");
            ForwardHere     "port-forward"       "a local port that leads to it"             [Rows] ["F"] [] if object => menu::direct("port-forward");
            BundleHere      "bundle"             "its evidence in one file"                  [Rows] ["B"] [] if object => menu::direct("bundle");
            ForwardClose    "forward.close"      "close the local port"                      [Forwards] ["ctrl-d"] [] => forwards::close;
            DeleteHere      "delete"             "plan its deletion"                         [Rows] ["ctrl-d"] [] {whole} if targets => menu::direct("delete");
            ForceDeleteHere "force-delete"       "plan a deletion without its kubelet"       [Pods] ["ctrl-k"] [] {whole} if targets => menu::direct("force-delete");

            Acknowledge     "acknowledge"       "acknowledge, with a reason"                  [Findings] ["!"] ["ack"] if finding => silence::ask(How::Acknowledged);
            Mute            "mute"              "mute for a time, with a reason"                 [Findings] ["m"] [] if finding => silence::ask(How::Muted);

            Fix             "fix"               "plan the action that fits"                 [Findings] ["f"] [] => incidents::fix;

            PlanRollback    "plan.rollback"     "plan: back to an earlier revision"         [Workloads] ["b"] [] if targets => undo;
            PlanRestart     "plan.restart"      "plan: restart the rollout"                 [Workloads] ["r"] [] if targets => menu::plan("restart");
            PlanScale       "plan.scale"        "plan: change the replicas"                 [Workloads] ["s"] [] if targets => menu::plan("scale");
            PlanSetImage    "plan.set-image"    "plan: change an image"                     [Workloads] ["i"] [] if targets => menu::plan("set-image");

            TimelineAll     "timeline.all"      "all of the time"                           [Timeline] ["0"] [] => timeline::only_since("");
            Timeline5m      "timeline.5m"       "the last 5 minutes"                        [Timeline] ["3"] [] => timeline::only_since("5m");
            Timeline15m     "timeline.15m"      "the last 15 minutes"                       [Timeline] ["4"] [] => timeline::only_since("15m");
            Timeline30m     "timeline.30m"      "the last 30 minutes"                       [Timeline] ["5"] [] => timeline::only_since("30m");
            Timeline1h      "timeline.1h"       "the last hour"                             [Timeline] ["6"] [] => timeline::only_since("1h");
            Timeline6h      "timeline.6h"       "the last 6 hours"                          [Timeline] ["7"] [] => timeline::only_since("6h");
            TimelineObject  "timeline.object"   "only this object, or all"                  [Timeline] ["o"] [] => timeline::only_object;
            TimelineSave    "timeline.save"     "save it as Markdown"                       [Timeline] ["ctrl-s"] [] {whole} => timeline::save;

            MatchNext       "match.next"        "next match"                                [Text] ["n"] [] => find(true);
            MatchPrevious   "match.previous"    "match before"                              [Text] ["N"] [] => find(false);
            CopyText        "copy.text"         "copy the text"                             [Text] ["c"] [] => copy_text;
            TextRefresh     "text.refresh"      "fetch it again"                            [Text] ["r"] [] if document::fetched => document::again;
            Reveal          "reveal"            "show this one secret value"                [Text] ["x"] [] if document::hides => document::reveal;
            ManagedFields   "managed-fields"    "show or hide managedFields"                [Text] ["m"] [] if document::yaml => document::managed;

            LogsTail        "logs.tail"         "the newest lines"                          [Logs] ["0"] [] => logs::newest;
            LogsHead        "logs.head"         "from the beginning"                        [Logs] ["1"] [] => logs::beginning;
            Logs1m          "logs.1m"           "the last minute"                           [Logs] ["2"] [] => logs::last_minutes(1);
            Logs5m          "logs.5m"           "the last 5 minutes"                        [Logs] ["3"] [] => logs::last_minutes(5);
            Logs15m         "logs.15m"          "the last 15 minutes"                       [Logs] ["4"] [] => logs::last_minutes(15);
            Logs30m         "logs.30m"          "the last 30 minutes"                       [Logs] ["5"] [] => logs::last_minutes(30);
            Logs1h          "logs.1h"           "the last hour"                             [Logs] ["6"] [] => logs::last_minutes(60);
            LogsFollow      "logs.follow"       "follow, or stand still"                    [Logs] ["s"] [] => logs::toggle_follow;
            LogsWrap        "logs.wrap"         "wrap long lines"                           [Logs] ["w"] [] => logs::toggle_wrap;
            LogsTimes       "logs.times"        "show or hide times"                        [Logs] ["t"] [] => logs::toggle_times;
            LogsContainers  "logs.containers"   "one or all containers"                     [Logs] ["a"] [] => logs::next_container;
            LogsRunBefore   "logs.run-before"   "the previous run, or this"                   [Logs] ["p"] [] => logs::toggle_previous;
            LogsFields      "logs.fields"       "fields of JSON lines"                      [Logs] ["x"] [] => logs::toggle_fields;
            LogsMark        "logs.mark"         "insert a mark line"                         [Logs] ["m"] [] => logs::mark;
            LogsClear       "logs.clear"        "clear what is shown"                       [Logs] ["C"] [] => logs::clear;

            TreeOpen        "tree.open"         "open the question"                         [Tree] ["right" "l" "enter"] [] => why::open_item;
            TreeClose       "tree.close"        "close the question"                        [Tree] ["left" "h"] [] => why::close_item;
            AnswerYes       "answer.yes"        "overrule: yes; run the command" [Tree] ["y"] [] => why::answer_word("yes");
            AnswerNo        "answer.no"         "overrule: no"                              [Tree] ["n"] [] => why::answer_word("no");
            AnswerUnknown   "answer.unknown"    "answer: unknown"                           [Tree] ["u"] [] => why::answer_word("unknown");
            TreeAgain       "tree.again"        "ask the cluster again"                     [Tree] ["r"] [] => why::again;

            Choose          "choose"            "plan the chosen action"                    [Actions] ["enter"] [] => keys::pressed(Id::Choose);
            ActionsClose    "actions.close"     "close the menu"                            [Actions] ["esc" "q"] [] => keys::pressed(Id::ActionsClose);
            Rollback        "action.rollback"   "back to an earlier revision"               [Actions] ["b"] [] => keys::pressed(Id::Rollback);
            Restart         "action.restart"    "restart the rollout"                       [Actions] ["r"] [] => keys::pressed(Id::Restart);
            Pause           "action.pause"      "pause the rollout"                         [Actions] ["p"] [] => keys::pressed(Id::Pause);
            Resume          "action.resume"     "resume the rollout"                        [Actions] ["P"] [] => keys::pressed(Id::Resume);
            Scale           "action.scale"      "change the replicas"                       [Actions] ["s"] [] => keys::pressed(Id::Scale);
            SetImage        "action.set-image"  "change an image"                           [Actions] ["i"] [] => keys::pressed(Id::SetImage);
            SetResources    "action.set-resources" "requests and limits"                       [Actions] ["m"] [] => keys::pressed(Id::SetResources);
            SetEnv          "action.set-env"     "environment variables"                     [Actions] ["v"] [] => keys::pressed(Id::SetEnv);
            SetProbe        "action.set-probe"   "a probe"                                   [Actions] ["o"] [] => keys::pressed(Id::SetProbe);
            RolloutGuards   "action.guards"      "how carefully it rolls out"                [Actions] ["w"] [] => keys::pressed(Id::RolloutGuards);
            SetConfig       "action.set-config"  "keys of the ConfigMap"                     [Actions] ["C"] [] => keys::pressed(Id::SetConfig);
            SetQuota        "action.set-quota"   "the quota's limits"                        [Actions] ["Q"] [] => keys::pressed(Id::SetQuota);
            SwitchSelector  "action.switch-selector" "the pods behind the Service"               [Actions] ["S"] [] => keys::pressed(Id::SwitchSelector);
            SuspendJobs     "action.suspend"     "hold the CronJob or Job"                   [Actions] ["z"] [] => keys::pressed(Id::SuspendJobs);
            Trigger         "action.trigger"     "start one job now"                         [Actions] ["t"] [] => keys::pressed(Id::Trigger);
            Retry           "action.retry"       "run the job once more"                     [Actions] ["R"] [] => keys::pressed(Id::Retry);
            Cordon          "action.cordon"     "no new pods on the node"                   [Actions] ["c"] [] => keys::pressed(Id::Cordon);
            Uncordon        "action.uncordon"   "new pods on the node again"                [Actions] ["u"] [] => keys::pressed(Id::Uncordon);
            Drain           "action.drain"      "evict all pods from the node"                   [Actions] ["d"] [] => keys::pressed(Id::Drain);
            Taint           "action.taint"       "add a taint"                               [Actions] ["n"] [] => keys::pressed(Id::Taint);
            Untaint         "action.untaint"     "take a taint away"                         [Actions] ["N"] [] => keys::pressed(Id::Untaint);
            OutOfService    "action.out-of-service" "let go of what is on a dead node"          [Actions] ["O"] [] => keys::pressed(Id::OutOfService);
            Edit            "action.edit"        "change it in your editor"                  [Actions] ["f"] [] => keys::pressed(Id::Edit);
            Shell           "action.shell"       "a shell in the container"                  [Actions] ["E"] [] => keys::pressed(Id::Shell);
            Attach          "action.attach"      "the main process's terminal"               [Actions] ["B"] [] => keys::pressed(Id::Attach);
            PortForward     "action.port-forward" "a local port that leads to it"            [Actions] ["T"] [] => keys::pressed(Id::PortForward);
            CopyFile        "action.copy"        "a file out of the container"               [Actions] ["D"] [] => keys::pressed(Id::CopyFile);
            Bundle          "action.bundle"      "its evidence in one file"                  [Actions] ["g"] [] => keys::pressed(Id::Bundle);
            BackUp          "action.backup"      "save it as YAML"                           [Actions] ["K"] [] => keys::pressed(Id::BackUp);
            Label           "action.label"       "set or remove labels"                      [Actions] ["l"] [] => keys::pressed(Id::Label);
            Annotate        "action.annotate"    "set or remove annotations"                 [Actions] ["L"] [] => keys::pressed(Id::Annotate);
            Evict           "action.evict"      "evict within the disruption budgets"                    [Actions] ["e"] [] => keys::pressed(Id::Evict);
            Delete          "action.delete"     "delete"                                    [Actions] ["x"] [] => keys::pressed(Id::Delete);
            ForceDelete     "action.force-delete" "delete without its kubelet"                [Actions] ["X"] [] => keys::pressed(Id::ForceDelete);
            RemoveFinalizers "action.remove-finalizers" "let it go without clean-up"                [Actions] ["F"] [] => keys::pressed(Id::RemoveFinalizers);
            HeapDump        "action.heap-dump"  "take a heap dump"                          [Actions] ["h"] [] => keys::pressed(Id::HeapDump);
            ThreadDump      "action.thread-dump" "take a thread dump"                        [Actions] ["H"] [] => keys::pressed(Id::ThreadDump);
            ClassHistogram  "action.class-histogram" "count objects by class"                    [Actions] ["y"] [] => keys::pressed(Id::ClassHistogram);

            DialogPress     "dialog.press"      "press the button"                          [Dialog] ["enter"] [] => keys::pressed(Id::DialogPress);
            DialogCancel    "dialog.cancel"     "cancel"                                    [Dialog] ["esc"] [] => keys::pressed(Id::DialogCancel);
            DialogNext      "dialog.next"       "next button or field"                      [Dialog] ["tab" "right"] [] => keys::pressed(Id::DialogNext);
            DialogPrevious  "dialog.previous"   "previous button or field"                    [Dialog] ["shift-tab" "left"] [] => keys::pressed(Id::DialogPrevious);
            DialogDown      "dialog.down"       "scroll down"                               [Dialog] ["down"] [] => keys::pressed(Id::DialogDown);
            DialogUp        "dialog.up"         "scroll up"                                 [Dialog] ["up"] [] => keys::pressed(Id::DialogUp);
            DialogPageDown  "dialog.page-down"  "a page down"                               [Dialog] ["pagedown"] [] => keys::pressed(Id::DialogPageDown);
            DialogPageUp    "dialog.page-up"    "a page up"                                 [Dialog] ["pageup"] [] => keys::pressed(Id::DialogPageUp);
            CopyKubectl     "copy.kubectl"      "copy the kubectl command, or all of them"  [Dialog] ["ctrl-y"] [] => keys::pressed(Id::CopyKubectl);

            PromptAccept    "prompt.accept"     "take it"                                   [Prompt] ["enter"] [] => accept;
            PromptCancel    "prompt.cancel"     "leave it"                                  [Prompt] ["esc"] [] => prompt::cancel;
            PromptComplete  "prompt.complete"   "complete the word"                         [Prompt] ["tab"] [] => prompt::complete;
            PromptRight     "prompt.right"      "right; at the end, complete the word"      [Prompt] ["right" "ctrl-f"] [] => prompt::right;
            PromptLeft      "prompt.left"       "left"                                      [Prompt] ["left" "ctrl-b"] [] => prompt::go(InputRequest::GoToPrevChar);
            PromptWordRight "prompt.word-right" "a word to the right"                       [Prompt] ["ctrl-right" "alt-f"] [] => prompt::go(InputRequest::GoToNextWord);
            PromptWordLeft  "prompt.word-left"  "a word to the left"                        [Prompt] ["ctrl-left" "alt-b"] [] => prompt::go(InputRequest::GoToPrevWord);
            PromptStart     "prompt.start"      "to the start of the line"                  [Prompt] ["home" "ctrl-a"] [] => prompt::go(InputRequest::GoToStart);
            PromptEnd       "prompt.end"        "to the end of the line"                    [Prompt] ["end" "ctrl-e"] [] => prompt::go(InputRequest::GoToEnd);
            PromptNext      "prompt.next"       "next suggestion"                           [Prompt] ["down" "ctrl-n"] [] => prompt::choose(1);
            PromptPrevious  "prompt.previous"   "suggestion before"                         [Prompt] ["up" "ctrl-p"] [] => prompt::choose(-1);
            PromptErase     "prompt.erase"      "erase the character before the cursor"     [Prompt] ["backspace" "ctrl-h"] [] => prompt::delete(InputRequest::DeletePrevChar);
            PromptEraseNext "prompt.erase-next" "erase the character at the cursor"         [Prompt] ["delete" "ctrl-d"] [] => prompt::delete(InputRequest::DeleteNextChar);
            PromptEraseWord "prompt.erase-word" "erase the word before the cursor"          [Prompt] ["ctrl-w"] [] => prompt::delete(InputRequest::DeletePrevWord);
            PromptEraseEnd  "prompt.erase-end"  "erase from the cursor on"                  [Prompt] ["ctrl-k"] [] => prompt::delete(InputRequest::DeleteTillEnd);
            PromptEraseAll  "prompt.erase-all"  "erase all"                                 [Prompt] ["ctrl-u"] [] => prompt::delete(InputRequest::DeleteLine);
        }
    };
}

pub(crate) use commands;
