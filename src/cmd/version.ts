import about from '../../package.json' with { type: 'json' };

/** Tidepool's own version, from package.json. */
export const version: string = about.version;
