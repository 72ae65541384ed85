# メールと、そのリンク先のページ。

letter-date-pattern = y年M月d日(E) HH:mm
letter-when = { $date }（{ $zone }）
letter-where = { $venue }（{ $city }）
letter-artists-more =
    { $count ->
       *[other] { $artist }ほか{ $count }組
    }

letter-cancelled-subject = 中止：{ $artist }、{ $city }、{ $when }
letter-cancelled-heading = { $artist }のライブは中止になりました
letter-cancelled-when = 開催予定だった日時：{ $when }
letter-moved-subject = 日程変更：{ $artist }、{ $city }、{ $when }
letter-moved-heading = { $artist }のライブの日程が変わりました
letter-moved-when = 新しい日時：{ $when }
letter-moved-votes = あなたの票はそのまま有効です。
letter-announced-subject =
    { $count ->
       *[other] { $artists }のライブが決まりました：{ $city }、{ $when }
    }
letter-announced-heading =
    { $count ->
       *[other] { $artists }のライブが決まりました
    }
letter-reminder-subject = { $artist }、{ $city }：{ $when }
letter-reminder-heading = { $artist }のライブはもうすぐです
letter-result-subject = ファンが聴きたい{ $artist }の曲（{ $city }）
letter-result-heading = ファンが聴きたい{ $artist }の曲

letter-digest-heading =
    { $period ->
        [weekly] { $service } の今週のお知らせです。
       *[daily] { $service } の今日のお知らせです。
    }
letter-digest-subject =
    { $period ->
        [weekly]
            { $count ->
               *[other] { $service } の今週のお知らせ：ライブ{ $count }件
            }
       *[daily]
            { $count ->
               *[other] { $service } の今日のお知らせ：ライブ{ $count }件
            }
    }
letter-unsubscribe = このメールは、配信を希望された方にお送りしています。配信を停止するには、次のリンクを開いてください：

letter-confirm-subject = メールアドレスの確認
letter-confirm-why = このアドレスへのメール配信が { $service } に申し込まれました。
letter-confirm-link = アドレスを確認するには、48時間以内に次のリンクを開いてください：
letter-confirm-stop = お心当たりがない場合は、このメールを無視してください。今後このアドレスへのメールをすべて停止するには、次のリンクを開いてください：

# ── リンク先のページ

link-confirm-heading = アドレスを確認しますか？
link-confirm-lead = 希望されたメールを { $service } からお送りします。
link-confirm = 確認する
link-confirmed-heading = アドレスを確認しました
link-confirmed-lead = もとのページにも反映されます。
link-expired-heading = このリンクは無効です
link-expired-lead = { $service } でもう一度アドレスを入力すると、新しいリンクが届きます。
link-unsubscribe-heading = 配信を停止しますか？
link-unsubscribe-lead = { $service } からこのアドレスには今後メールをお送りしません。
link-unsubscribe = 停止する
link-unsubscribed-heading = 配信を停止しました
link-unsubscribed-lead = { $service } からこのアドレスには今後メールをお送りしません。
