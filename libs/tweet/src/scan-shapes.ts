/** Of a member that is a value: where it stands is kept, and nothing inside it is looked at. */
export const leaf = "leaf";

/** What members of an object are looked for, by name. */
export interface ShapeSpec {
  readonly [name: string]: typeof leaf | ShapeSpec;
}

/** The slots that a scanner fills: one for each member, and `$` for an object itself. */
export type Slots<S extends ShapeSpec> = {
  readonly [K in keyof S]: S[K] extends ShapeSpec ? Slots<S[K]> : number;
} & { readonly $: number };

/** A shape that a scanner can walk. Its slots are `firstSlot` to `endSlot` (exclusive). */
export interface Shape<S extends ShapeSpec> {
  readonly node: ShapeNode;
  readonly slots: Slots<S>;
  readonly firstSlot: number;
  readonly endSlot: number;
}

/** Slots of all shapes together. */
export const SLOTS_MAX = 256;

let slotsTaken = 0;

export function shapeOf<const S extends ShapeSpec>(spec: S): Shape<S> {
  const firstSlot = slotsTaken;
  const { node, slots } = build(spec);
  if (slotsTaken > SLOTS_MAX) throw new RangeError(`shapes have more than ${SLOTS_MAX} slots`);
  return { node, slots: slots as Slots<S>, firstSlot, endSlot: slotsTaken };
}

function build(spec: ShapeSpec): { readonly node: ShapeNode; readonly slots: object } {
  const own = slotsTaken++;
  const slots: Record<string, unknown> = { $: own };
  const members = Object.entries(spec).map(([name, inner]) => {
    if (inner === leaf) {
      const slot = slotsTaken++;
      slots[name] = slot;
      return { name, slot, node: null };
    }
    const built = build(inner);
    slots[name] = built.slots;
    return { name, slot: built.node.slot, node: built.node };
  });
  return { node: new ShapeNode(own, members), slots };
}

interface Member {
  readonly name: string;
  readonly slot: number;
  readonly node: ShapeNode | null;
}

const TABLE_SIZE = 512;

/** The names of an object's members, found from their bytes without making a string of them. */
export class ShapeNode {
  readonly slot: number;
  readonly #members: readonly (Member & { readonly bytes: Uint8Array })[];
  readonly #table = new Int16Array(TABLE_SIZE);
  readonly #factor: number;

  constructor(slot: number, members: readonly Member[]) {
    this.slot = slot;
    this.#members = members.map((each) => ({ ...each, bytes: Buffer.from(each.name) }));
    this.#factor = this.#fillTable();
  }

  /** The member with the name in `bytes` from `start` to `end`, or undefined. */
  find(bytes: Uint8Array, start: number, end: number): Member | undefined {
    const place = this.#table[hashOf(bytes, start, end, this.#factor)] ?? -1;
    if (place < 0) return undefined;
    const member = this.#members[place];
    if (member === undefined) return undefined;
    const name = member.bytes;
    if (name.length !== end - start) return undefined;
    for (let index = 0; index < name.length; index++) {
      if (name[index] !== bytes[start + index]) return undefined;
    }
    return member;
  }

  /** Tries factors until no two names share a place: names are few and known, so one is soon found. */
  #fillTable(): number {
    for (let factor = 1; factor < 100_000; factor += 2) {
      this.#table.fill(-1);
      const isPerfect = this.#members.every(({ bytes }, index) => {
        const place = hashOf(bytes, 0, bytes.length, factor);
        const isFree = this.#table[place] === -1;
        this.#table[place] = index;
        return isFree;
      });
      if (isPerfect) return factor;
    }
    throw new RangeError("no hash tells the names of a shape apart");
  }
}

/** Of the length and three bytes: known names differ in these. */
function hashOf(bytes: Uint8Array, start: number, end: number, factor: number): number {
  const first = bytes[start] ?? 0;
  const middle = bytes[(start + end) >> 1] ?? 0;
  const last = bytes[end - 1] ?? 0;
  const mixed = Math.imul(first + (middle << 8) + (last << 16) + ((end - start) << 24), factor);
  return ((mixed >>> 16) ^ (mixed >>> 5)) & (TABLE_SIZE - 1);
}
