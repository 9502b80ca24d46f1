const request = process.env["HYBRIDGE_FAILPOINT"] ?? "";
const [wanted = "", hit = "1"] = request.split("@");
let hits = 0;

/**
 * A place where a crash can fall between two effects. With `HYBRIDGE_FAILPOINT=name` the process
 * kills itself with SIGKILL here, as a power cut would; with `name@3` at the third passage. Off in
 * normal use: one string comparison. Names are listed in docs/failpoints.md.
 */
export function failpoint(name: string): void {
  if (wanted === "" || wanted !== name) return;
  hits += 1;
  if (hits >= Number(hit)) process.kill(process.pid, "SIGKILL");
}
