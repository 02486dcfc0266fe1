// The same package from an ES module. It never runs.
import { open, type Node } from 'millpond';
import * as millpond from 'millpond';

export const opened: Promise<Node> = open({ path: 'p', app: 'a' });
export const version: string = millpond.version;
