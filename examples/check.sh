#!/bin/sh
# Runs every example in release and checks what it prints and its exit code. Says what it checked; ends with 1 if
# anything was not as it must be.
set -u
cd "$(dirname "$0")/.." || exit 1

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
wrong=0
checked=0

# run CODE EXAMPLE [ARGUMENT]...: the output is in $work/out, the errors in $work/err.
run() {
    expected=$1
    what="$2${3:+ $3}"
    example=$2
    shift 2
    cargo run --quiet --release --example "$example" -- "$@" >"$work/out" 2>"$work/err"
    code=$?
    echo "$what"
    if [ "$code" -eq "$expected" ]; then ok "exit code $code"; else bad "exit code $code, not $expected"; fi
}

ok() {
    checked=$((checked + 1))
    echo "  ok     $1"
}

bad() {
    wrong=$((wrong + 1))
    echo "  WRONG  $1"
    sed 's/^/         out | /' "$work/out"
    sed 's/^/         err | /' "$work/err"
}

# has STREAM PATTERN: one line or more match.
has() {
    if grep -Eq -- "$2" "$work/$1"; then ok "$1: $2"; else bad "$1 has no line like: $2"; fi
}

# row NAME CALLS [FAILED]: a row of the table, with the columns `calls` and `failed`.
row() {
    has out "^$1 +$2 +${3:+$3 +}[0-9.]+ (ns|µs|ms|s) "
}

# fits LINES: one screen.
fits() {
    lines=$(wc -l <"$work/out")
    if [ "$lines" -le "$1" ]; then ok "$lines lines"; else bad "$lines lines, more than $1"; fi
    # Paths are as long as they are; nothing else is to be wider than a terminal.
    long=$(grep -Ev '^(failed: | *)/' "$work/out" | LC_ALL=C.UTF-8 grep -Ec '.{121}')
    if [ "$long" -eq 0 ]; then ok "no line over 120 columns"; else bad "$long lines over 120 columns"; fi
}

echo "building the examples"
cargo build --quiet --release -p examples -p services --examples || exit 1

# The history of the first run is what the second one compares itself with.
mkdir "$work/tmp"
export TMPDIR="$work/tmp"
run 0 quickstart
fits 64
has out '^history: kept in .*/monitor-quickstart.db; a second run compares itself with this one$'
has out '^quickstart · [0-9.]+ m?s · 10 operations, .* 0 active$'
for name in work index_file collect count_words hash; do row "quickstart::indexer::$name" '[0-9,]+' '([0-9]+)?'; done
row quickstart::walk::walk 1
row quickstart::walk::list '[0-9,]+'
row index 1
row read '[0-9,]+' 1
row decode '[0-9,]+' 1
has out '^disk \(3 operations\) '
has out '^quickstart::indexer::index_file → quickstart::indexer::count_words +[0-9,]+ '
has out '^files +[0-9]+ +[0-9]+ +100 +2 .* finished$'
has err '^progress files: finished after [0-9.]+ m?s, ([0-9,]+) of [0-9,]+, .*, 2 failed$'
has out '^half-way, with [0-9]+ files done, there ran$'
has out '^  (suspended|main) +index [0-9.]+(µs|ms) › collect [0-9.]+(µs|ms)$'
has out '^  worker-[1-8] +work [0-9.]+(µs|ms) › index_file [a-z]+ [0-9.]+(ns|µs|ms)'
has out '^IndexError in quickstart::indexer::index_file +1 .* new +cannot be read'
has out '^Error in read +1 .* new +No such file or directory '
has out '^failed: .*/deleted.txt: cannot be read: '
has out '^failed: .*/latin-1.txt: is not UTF-8 text: invalid utf-8 '
has out '^next: '
run 0 quickstart
fits 68
has out '^this run / last run, from .*/monitor-quickstart.db$'
has out '^index +1 / 1 +[0-9.]+(µs|ms|s) / [0-9.]+(µs|ms|s) +0 / 0$'
has out '^quickstart::indexer::index_file +([0-9]+) / \1 .* 2 / 2$'
run 0 history
has out '^2 runs, 0 of them interrupted$'
has out '^  quickstart::indexer::work +4 calls +[0-9.]+ms p50 +[0-9.]+ms p99  ·+[▁▂▃▄▅▆▇█]+·*$'
has out '^  quickstart::indexer::index_file +[0-9.]+(µs|ms) +[0-9]+ s ago  [0-9a-f]{32}  (cannot be read|is not UTF-8 text)$'
has out '^ +2 × .*IndexError in quickstart::indexer::index_file: cannot be read: '
run 1 history "$work/nowhere.db"
has err '^history: .*/nowhere.db: '
run 2 history "$TMPDIR/monitor-quickstart.db" many

# A backup that is killed half-way, and the next run that copies only the rest. One file cannot be read: a link that leads
# nowhere.
mkdir -p "$work/source/deep" "$work/target"
for i in $(seq 10 49); do echo "file $i" >"$work/source/f$i.txt"; done
echo 'deep' >"$work/source/deep/x.txt"
ln -s /nowhere/at/all "$work/source/f05.link"
mkfifo "$work/words" "$work/lines"
"${CARGO_TARGET_DIR:-target}/release/examples/backup_states" --pause-after 25 "$work/source" "$work/target" \
    <"$work/words" >"$work/lines" 2>"$work/err" &
backup=$!
# Both ends of the pipes are held until the program is dead: it waits for a word that never comes.
exec 7>"$work/words" 8<"$work/lines"
: >"$work/out"
while read -r line <&8; do
    echo "$line" >>"$work/out"
    case $line in paused*) kill -9 "$backup"; break ;; esac
done
wait "$backup" 2>"$work/err"
echo "backup_states, killed after 25 files: status $?"
exec 7>&- 8<&-
has out '^copying 21 of 42 \(50 %\), [0-9]+ files/s, .* left$'
has out '^paused after 25 files$'
copies() { find "$work/target" -name '*.txt' | wc -l; }
if [ "$(copies)" -eq 24 ]; then ok '24 files copied, one failed'; else bad "$(copies) files copied, not 24"; fi
# A checkpoint that cannot be read is an error that says so, and no new beginning.
cp -r "$work/target" "$work/broken"
cp -r "$work/target" "$work/changed"
for checkpoint in "$work/broken/.backup_states"/*; do
    head -c 40 "$checkpoint" >"$work/short" && mv "$work/short" "$checkpoint"
done
run 1 backup_states "$work/source" "$work/broken"
has err '^backup_states: .*cut'
has out '^  source: idle → failed'
# The checkpoint of another folder is no place to go on from.
mkdir "$work/other"
run 1 backup_states "$work/other" "$work/changed"
has err '^backup_states: TARGET has a part of a backup of .*/source`: finish that one, or remove '
# What has come or changed since, where the killed run was done already, is saved too; a name need not be UTF-8.
echo 'new' >"$work/source/$(printf 'f00\377.txt')"
echo 'changed' >"$work/source/f12.txt"
rm "$work/changed/f14.txt"
run 0 backup_states "$work/source" "$work/changed"
has out '^resumed after 26 of 43 files$'
has out '^20 files copied, 1 could not be read$'
if [ "$(diff -rq -x .backup_states "$work/source" "$work/changed" 2>/dev/null | grep -vc f05.link)" -eq 0 ]; then
    ok 'all copies are the same'
else
    bad 'copies differ'
fi
rm "$work"/source/f00*
echo 'file 12' >"$work/source/f12.txt"
# What is there already must not be copied again.
find "$work/target" -name '*.txt' -exec touch -d '2001-01-01' {} +
run 0 backup_states "$work/source" "$work/target"
has out '^resumed after 25 of 42 files$'
has out '^copying 42 of 42 \(100 %\)'
has out '^17 files copied, 1 could not be read$'
has out '^  source: idle → scanning on "resume"$'
has out '^  source: verifying → incomplete$'
has out '^  copying +entered 1, [0-9.]+(µs|ms)$'
if [ "$(copies)" -eq 41 ]; then ok '41 files copied'; else bad "$(copies) files copied, not 41"; fi
old=$(find "$work/target" -name '*.txt' ! -newermt '2002-01-01' | wc -l)
if [ "$old" -eq 24 ]; then ok 'only the rest was copied anew'; else bad "$old files are from before, not 24"; fi
if [ -z "$(find "$work/target/.backup_states" -type f)" ]; then ok 'no checkpoint is left'; else bad 'a checkpoint is left'; fi
# From the beginning, in one run: the error is in its group with the name of the file.
rm -r "$work/target"
run 0 backup_states "$work/source" "$work/target"
has out '^  1 × CopyError in copy: the file cannot be read: No such file or directory \(os error <n>\) \(medium\)$'
has out '^      f05.link No such file or directory'
run 0 backup_states
has out '^  [^ ]+: verifying → done$'
has out '^no errors$'
run 2 backup_states "$work/source"
has err 'both SOURCE and TARGET, or neither'
run 2 backup_states "$work/nowhere" "$work/target"
has err 'No such file or directory'
run 1 backup_states "$work/source" "$work/source/inside"
has err 'TARGET lies within SOURCE'

# A folder of which every count is known: four files, two of them the same, what is in `target` and `.git` left out.
# Two more come from the example itself, and fail.
mkdir -p "$work/folder/deep/er" "$work/folder/target" "$work/folder/.git"
echo 'one two three' >"$work/folder/a.rs"
echo 'one two three' >"$work/folder/deep/b.rs"
echo 'One more, und ein Äpfelchen' >"$work/folder/deep/er/c.md"
: >"$work/folder/empty"
echo 'left out' >"$work/folder/target/d.rs"
echo 'left out' >"$work/folder/.git/e"
run 0 quickstart "$work/folder"
fits 70
has out ': 4 files indexed on [0-9]+ threads, 3 different; 11 words, 7 different; 2 not indexed$'
row quickstart::walk::list 3
row quickstart::indexer::index_file 6 2
row read 6 1
row quickstart::indexer::hash 5
row decode 5 1
row quickstart::indexer::count_words 4
has out '^half-way, with 3 files done, there ran$'
has out '^files by extension .* rs 2 '

run 2 quickstart "$work/folder" "$work/folder"
has err '^quickstart: one PATH at most$'
has err '^usage: quickstart \[PATH\]$'
run 2 quickstart "$work/nowhere"
has err "^quickstart: .$work/nowhere.: No such file"
run 2 quickstart "$work/folder/a.rs"
has err 'is not a folder$'
run 2 quickstart --fast
has err '^quickstart: unknown option .--fast.$'
run 0 quickstart --help
has out '^usage: quickstart \[PATH\]$'

run 0 tokio_service
has err '^contained in its task: panicked at '
has out ' · 13 operations, 198 calls, 19.2 % failed, .* 0 active$'
row tokio_service::job 60 '10 1p'
row payment.charge 15 '5 5c'
row tokio_service::heartbeat 1 1c
row db.replica 15 15c
row cache.get 15
row tokio_service::thumbnail 15 1p
has out '^tokio_service::look_up → db.replica +15 '
has out '^  (suspended|tokio-rt-worker) +heartbeat '
has out '^60 jobs: 49 done, 10 failed, 1 panicked; every count is as expected$'

run 0 cache_sync
has out '^synchronised: 64 entries compared with the store, 7 brought up to date, 3 removed$'
has out '^Performance summary, [0-9.]+ s: 10 operations, [0-9,]+ calls, 0.1 % failed, .* 0 active$'
for kind in database cache bulk; do has out "^    $kind +[0-9]+ +(99|100)\.[0-9] % "; done
has out '^    cache.put +200 +100.0 % '
has out '^    cache.get_many +40 +100.0 % '
has out '^    hit rate [0-9.]+ %: [0-9]+ hits, [0-9]+ misses$'
has out '^      get +[0-9.]+ %  \([0-9]+ of 1761\)$'
has out '^      get_many +[0-9.]+ %  \([0-9]+ of 800\)$'
has out '^    61 of 64 entries, [0-9]+ bytes$'
has out '^    [0-9]+ put in, [0-9]+ thrown out for room, 10 no longer right$'
has out '^    cache.synchronise +[0-9.]+(µs|ms)  64 items, success$'
has out '^    1 × StoreError in store.fetch: the file of user <n> is damaged$'
has out '^every count is as expected$'

run 0 axum_service
row 'GET /orders/\{id\}' 200 20
row stock.ask 200 20
row 'GET /stock/\{item\}' 200 20
row shelves.count 200 20
has out '^GET /stock/\{item\} → shelves.count +200 '
has out '^NotCounted in shelves.count +20 .* the shelf cannot be reached$'
has out '^1 operation, 200 calls, 0 % failed, '
has out '^  orders +\{.*"trace_id":"[0-9a-f]{32}".*"span_id":"[0-9a-f]{16}".*not ordered'
has out '^  stock +\{.*"trace_id":"[0-9a-f]{32}".*"span_id":"[0-9a-f]{16}".*not counted'
has out '^200 requests: 160 with status 200, 20 with status 404, 20 with status 502; each trace is in the logs of both services$'
run 2 axum_service nothing
has err '^usage: axum_service '

run 0 unified_service
has out '^500 requests: [0-9]+ with status 200, [0-9]+ with status 201, [0-9]+ with status 404, [0-9]+ with status 409$'
has out '^monitor_operations_total\{operation="GET /items/\{id\}",kind="api",outcome="success"\} 292$'
has out '^monitor_operations_total\{operation="db.refill",kind="database",component="storage",outcome="success"\} 200$'
has out '^monitor_cache_lookups_total\{cache="items",kind="",result="hit"\} [0-9]+$'
has out '^monitor_job_done\{job_name="refill"\} 200$'
has out '^health: "healthy"'
has out '^[0-9]+ lines for Prometheus; every request is counted$'
run 0 unified_service files "$work/files"
for file in prometheus.yml monitor.rules.yml monitor-dashboard.json RUNBOOK.md; do
    if cmp -s "$work/files/$file" "examples/unified_service/$file"; then ok "$file is the one beside the example"
    else bad "$file is not the one beside the example"; fi
done
run 1 unified_service serve 0.0.0.0:8080
has err '^unified_service: 0.0.0.0:8080 can be reached by others'
run 2 unified_service nothing
has err '^usage: unified_service '

run 0 own_sink "$work/own_sink"
has out '^shop writes to '
has out '^while it is away: not everything was delivered: files: [0-9]+ entries wait: the server is away$'
row own_sink::sell 300 6
has out '^files +stopped '
has out '^records.jsonl: 300 lines$'
run 1 own_sink /proc/nowhere

run 0 automation_tasks
fits 80
has out '^40 tasks for 3 workers$'
has out '^  w2 was killed while it counted report-0017; another one goes on with it$'
has out '^  report-0007: the text cannot be read$'
has out '^38 counted, 2 failed, 1 put back because its worker was gone; [0-9]+ words in all$'
has out '^  report-0017 \(count_words by w2\) success after '
has out '^    read .*, count .*, read .*, count .*, write '
has out '^  shift-w2 \(shift by w2\) interrupted '
has out '^in all processes: 40 begun, 38 succeeded, 2 failed, '
has out '^  high +1 × the text cannot be read'
has out '^  medium +1 × byte <n> is not text$'
has out '^  low +2 × there is no word in the text$'
has out '^queue: 40 processed, 1 put back$'
if command -v sqlite3 >/dev/null; then
    has out '^│ w2 +│ unhealthy +│ interrupted '
    has out '^│ tasks +│ 38 +│ 2 +│ 1 '
    has out '^│ count_words +│ 40 +│ 2 '
else
    has out 'apt install sqlite3'
fi
has out '^every count is as expected$'
run 0 automation_tasks "$work/tasks.db"
run 0 automation_tasks "$work/tasks.db"
has out '^in all processes: 80 begun, 76 succeeded, 4 failed, '
if [ -f "$work/tasks.db" ]; then ok "the history stays"; else bad "no history"; fi
run 1 automation_tasks "$work/nowhere/tasks.db"
has err '^automation_tasks: .*does not exist'
if [ -d /proc/self ]; then
    # A folder that is there and takes no file: it ends, and leaves nobody waiting.
    run 1 automation_tasks /proc/tasks.db
    has err '^automation_tasks: w2 did not begin to count report-0017'
fi
run 2 automation_tasks a b
has err '^usage: automation_tasks \[FILE\]$'

run 0 testing
has out '^2 tests hold$'

if [ "$wrong" -gt 0 ]; then
    echo "$wrong of $((wrong + checked)) checks failed"
    exit 1
fi
echo "$checked checks"
