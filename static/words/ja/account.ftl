# アカウントのページと、ログインリンクのページ。

account-description = MySetlist アカウントのメールアドレスと、ログイン中の端末。
account-needs-script = このページには JavaScript が必要です。有効にして、再読み込みしてください。
one-moment = 少々お待ちください…
account-is = { $name }さん（アカウント{ $id }）
account-is-nameless = アカウント{ $id }
account-none = ログインしていません。最初の投票でアカウントが作られます。
account-left = すべての端末からログアウトしました。

sessions-heading = ログイン中の端末
session-unknown = 不明なプログラム
session-device = { $program }（{ $system }）
session-since =
    { $kind ->
        [link] { $day }から、ログインリンクで
        [command] { $day }から、コマンドで
       *[fan] { $day }から
    }
session-here = このブラウザ
sign-out = ログアウト
sign-out-of = ログアウト：{ $name }、{ $day }から
sign-out-everywhere = すべての端末からログアウト
sign-out-question = このブラウザからもログアウトします。ログインリンクのないアカウントは二度と開けません。票はそのまま残ります。
sign-out-yes = はい、すべてログアウト
sign-out-no = ログインしたままにする

email-heading = メールアドレス
email-back = ライブに戻る
email-address = メールアドレス
email-frequency = フォロー中のライブやアーティストのお知らせ
email-never = 受け取らない（確認メールのみ）
email-immediately = すぐに
email-daily = 1日1回
email-weekly = 週1回
email-save = 保存
email-delete = アドレスを削除
email-confirmed = { $address } は確認済みです。
email-confirmed-back = { $address } は確認済みです。ライブに戻って投票してください。
email-off = このサービスはメールを送らないため、ここではアドレスを確認できません。
email-sent = { $address } にメールを送りました。リンクを開くと確認が完了し、このページにも反映されます。届かないときは迷惑メールを確認するか、もう一度保存してください。
email-wanted = このライブはメール確認済みのファンが投票できます。アドレスを入力すると、確認用のリンクが届きます。
email-none = アドレスは保存されていません。メール確認済みのファンだけが投票できるライブもあります。
email-stopped-link = { $confirmed }配信を停止したため、メールは届きません。受け取る設定で保存すると再開します。
email-stopped-bounce = { $confirmed }メールサーバーに受信を拒否されたため、メールは届きません。
email-stopped-complaint = { $confirmed }迷惑メールとして報告されたため、メールは届きません。
email-stopped-staff = { $confirmed }主催者が停止したため、メールは届きません。
email-malformed = このアドレスには送信できません。確認してください。
email-not-loaded = { $why }ページを再読み込みしてください。

sign-in = ログイン
signin-description = リンクで MySetlist にログインします。
signin-needs-script = このページには JavaScript が必要です。有効にして、もう一度リンクを開いてください。
signin-incomplete = リンクが不完全か、すでに開かれています。リンク全体をコピーするか、新しいリンクを受け取ってください。
signin-once = このリンクで一度だけログインできます。
signin-replaces = { $who }としてログインしています。このリンクでログインすると、このブラウザのアカウントが入れ替わり、元に戻せないことがあります。
signin-account =
    { $role ->
        [user] アカウント{ $id }
       *[staff] アカウント{ $id }（{ $role }）
    }
signin-account-named =
    { $role ->
        [user] { $name }（アカウント{ $id }）
       *[staff] { $name }（アカウント{ $id }、{ $role }）
    }
signin-replace = 入れ替えてログイン
