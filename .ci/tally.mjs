// Prints `N passed, N failed` (`, N skipped` if any) from vitest's JSON report; exits 1 unless all passed.
import { readFileSync } from 'node:fs';

const report = readReport(process.argv[2]);
const tests = report.testResults.flatMap((file) => file.assertionResults);
const count = (...states) => tests.filter((test) => states.includes(test.status)).length;

const passed = count('passed');
// A file that could not be loaded has no tests to fail; it counts as one.
const brokenFiles = report.testResults.filter(
  (file) => file.status === 'failed' && file.assertionResults.length === 0,
);
const failed = count('failed') + brokenFiles.length;
const skipped = tests.length - passed - count('failed');

process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
process.exit(report.success && failed === 0 && passed > 0 ? 0 : 1);

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { success: false, testResults: [] }; // vitest ended before it could write one
  }
}
