import { oursPerSecond } from '/work/main/bench/jobs/ours.ts';
for (let i=0;i<3;i++) console.log(Math.round(await oursPerSecond({jobs:5000,atOnce:100,signal:new AbortController().signal})));
