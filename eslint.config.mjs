import js from "@eslint/js";
import nx from "@nx/eslint-plugin";
import tseslint from "typescript-eslint";

// Which layer may import which. Changing this is a decision about the design: docs/adr.
const belowServices = ["layer:base", "layer:contract", "layer:domain", "layer:platform"];
const layers = [
  { sourceTag: "layer:base", onlyDependOnLibsWithTags: ["layer:base"] },
  { sourceTag: "layer:contract", onlyDependOnLibsWithTags: [] },
  {
    sourceTag: "layer:domain",
    onlyDependOnLibsWithTags: ["layer:base", "layer:domain"],
    bannedExternalImports: ["@grpc/*", "@opentelemetry/*", "@aws-sdk/*", "kafkajs", "pino"],
  },
  {
    sourceTag: "layer:platform",
    onlyDependOnLibsWithTags: belowServices,
  },
  { sourceTag: "layer:service", onlyDependOnLibsWithTags: belowServices },
  { sourceTag: "layer:app", onlyDependOnLibsWithTags: [...belowServices, "layer:service"] },
  { sourceTag: "layer:test", onlyDependOnLibsWithTags: [...belowServices, "layer:service"] },
];

export default tseslint.config(
  { ignores: ["**/dist/**", "**/node_modules/**", "proto/gen/**", ".hybridge/**", ".nx/**"] },
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { "@nx": nx },
    rules: {
      "@nx/enforce-module-boundaries": [
        "error",
        { banTransitiveDependencies: true, depConstraints: layers, allow: [] },
      ],
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      // An arrow that returns the void of its call reads better than a block.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // Reasons of signals are whatever the caller gave: they are passed on as they are.
      "@typescript-eslint/prefer-promise-reject-errors": "off",
      "@typescript-eslint/only-throw-error": "off",
      "no-console": "error",
    },
  },
  {
    files: ["**/test/**/*.ts", "test/**/*.ts"],
    rules: {
      // node:test returns promises that its runner owns.
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            {
              from: "package",
              package: "node:test",
              name: [
                "test",
                "it",
                "describe",
                "suite",
                "before",
                "after",
                "beforeEach",
                "afterEach",
              ],
            },
          ],
        },
      ],
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
  {
    files: ["libs/{landing,query,tweet}/src/**/*.ts"],
    ignores: ["libs/*/src/testing/**"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              regex: "^node:(fs|net|tls|http|https|http2|dns|child_process|worker_threads)",
              message: "Domain code does no I/O: take a port.",
            },
          ],
        },
      ],
    },
  },
  {
    files: ["**/*.mjs"],
    languageOptions: {
      globals: {
        process: "readonly",
        console: "readonly",
        setTimeout: "readonly",
        clearTimeout: "readonly",
        setInterval: "readonly",
        clearInterval: "readonly",
        URL: "readonly",
        Buffer: "readonly",
      },
    },
  },
);
