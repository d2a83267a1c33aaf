import { spawnSync } from 'node:child_process';
import { platform, versions } from 'node:process';

const lowestNode = 20;
const lowestJava = 17;

/**
 * One line that says what the machine lacks and how to get it, or undefined.
 * @param {{ java: boolean, maven: boolean }} needed
 */
export function missingFromMachine(needed) {
  const node = Number(versions.node.split('.')[0]);
  if (node < lowestNode) {
    return `Meterhouse needs Node ${lowestNode} or later to begin with (this is ${versions.node}): ${installNode()}`;
  }
  const java = needed.java ? javaVersion() : lowestJava;
  const lacking = [];
  if (java === undefined) lacking.push(`Java ${lowestJava} or later`);
  else if (java < lowestJava) lacking.push(`Java ${lowestJava} or later (this is ${java})`);
  if (needed.maven && !isThere('mvn')) lacking.push('Maven');
  if (lacking.length === 0) return undefined;
  return `Meterhouse needs ${lacking.join(' and ')}: ${installCommand(lacking)}`;
}

/** The major version of the `java` on the PATH. */
function javaVersion() {
  const { status, stderr } = spawnSync('java', ['-version'], { encoding: 'utf8' });
  if (status !== 0) return undefined;
  // `version "17.0.15"`, and in older ones `version "1.8.0_412"`
  const [, first, second] = /version "(\d+)(?:\.(\d+))?/.exec(stderr) ?? [];
  return first === '1' ? Number(second) : Number(first);
}

function isThere(program) {
  return spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;
}

function installNode() {
  return platform === 'darwin' ? 'brew install node' : 'https://nodejs.org/en/download';
}

function installCommand(lacking) {
  const java = lacking.some((each) => each.startsWith('Java'));
  const maven = lacking.includes('Maven');
  if (platform === 'darwin') return `brew install${java ? ' openjdk@17' : ''}${maven ? ' maven' : ''}`;
  return `apt-get install -y${java ? ' openjdk-17-jre-headless' : ''}${maven ? ' maven' : ''}`;
}
