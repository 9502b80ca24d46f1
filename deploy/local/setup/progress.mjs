// @ts-check
// Progress on stderr: a bar that is repainted on a terminal, a few plain lines elsewhere.

const WIDTH = 24;

/**
 * @typedef {object} Progress
 * @property {(done: number) => void} set how much is done, in the unit of the total
 * @property {(note: string) => void} end the last line
 */

/**
 * @param {string} label what is being done
 * @param {number} total
 * @param {string} unit plural, as "files"
 * @param {NodeJS.WriteStream} stream
 * @returns {Progress}
 */
export function startProgress(label, total, unit, stream = process.stderr) {
  return stream.isTTY ? bar(label, total, unit, stream) : lines(label, total, unit, stream);
}

/** @returns {Progress} @param {string} label @param {number} total @param {string} unit @param {NodeJS.WriteStream} stream */
function bar(label, total, unit, stream) {
  const paint = (/** @type {number} */ done) => {
    stream.write(`\r\u001b[2K${barText(label, done, total, unit)}`);
  };
  paint(0);
  return {
    set: paint,
    end: (note) => {
      stream.write(`\r\u001b[2K${label}: ${note}\n`);
    },
  };
}

/** @returns {Progress} @param {string} label @param {number} total @param {string} unit @param {NodeJS.WriteStream} stream */
function lines(label, total, unit, stream) {
  stream.write(`${label}: ${total} ${unit} ...\n`);
  let next = 0.25;
  return {
    set: (done) => {
      if (done >= total || done < total * next) return;
      stream.write(`${label}: ${done} of ${total} ${unit}\n`);
      next = Math.floor((done / total) * 4) / 4 + 0.25;
    },
    end: (note) => {
      stream.write(`${label}: ${note}\n`);
    },
  };
}

/**
 * @param {string} label
 * @param {number} done
 * @param {number} total
 * @param {string} unit
 */
export function barText(label, done, total, unit) {
  const part = total === 0 ? 1 : Math.min(1, Math.max(0, done / total));
  const full = Math.round(part * WIDTH);
  const shown = `${"#".repeat(full)}${".".repeat(WIDTH - full)}`;
  return `${label} [${shown}] ${Math.min(done, total)}/${total} ${unit}`;
}
