import { landingLogConformance, memoryLanding } from "../../src/testing/index.ts";

for (const moves of [true, false]) {
  landingLogConformance(`memory, ${moves ? "with renames" : "without renames"}`, () =>
    Promise.resolve({
      newTable() {
        const landing = memoryLanding({ moves });
        return Promise.resolve(() => landing.open());
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
  );
}
